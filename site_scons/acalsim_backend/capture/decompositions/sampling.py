# SPDX-License-Identifier: Apache-2.0
"""grid_sample in three dimensions."""

from __future__ import annotations

import itertools

TRILINEAR, NEAREST = 0, 1
ZEROS, BORDER, REFLECTION = 0, 1, 2


def grid_sampler_3d(x, grid, interpolation, padding, align_corners):
    """x [N, C, D, H, W] at grid [N, D', H', W', 3]: coordinates from -1 to 1, the one along W first."""
    import torch

    sizes = x.shape[:1:-1]
    at = [_position(grid[..., axis], size, padding, align_corners) for axis, size in enumerate(sizes)]
    if interpolation == NEAREST:
        return _read(x, [each.round() for each in at], torch.ones_like(at[0]))
    low = [each.floor() for each in at]
    total = 0
    for corner in itertools.product((0, 1), repeat=3):
        share = torch.ones_like(at[0])
        for place, floor, step in zip(at, low, corner, strict=True):
            share = share * (place - floor if step else floor + 1 - place)
        total = total + _read(x, [floor + step for floor, step in zip(low, corner, strict=True)], share)
    return total


def _position(coordinate, size, padding, align_corners):
    """Where along an axis a coordinate is, in elements."""
    if align_corners:
        place, low, span = (coordinate + 1) * ((size - 1) / 2), 0.0, float(size - 1)
    else:
        place, low, span = ((coordinate + 1) * size - 1) / 2, -0.5, float(size)
    if padding == REFLECTION:
        place = _reflected(place, low, span)
    return place if padding == ZEROS else place.clamp(0, size - 1)


def _reflected(place, low, span):
    import torch

    if not span:
        return torch.zeros_like(place)
    away = (place - low).abs()
    turns, rest = (away / span).floor(), away.fmod(span)
    return torch.where(turns % 2 == 0, rest + low, span - rest + low)


def _read(x, places, share):
    """The elements at whole places (W, H, D) times `share`; zero outside."""
    import torch

    inside, at = torch.ones_like(share, dtype=torch.bool), []
    for place, size in zip(places, x.shape[:1:-1], strict=True):
        is_there = (place >= 0) & (place <= size - 1)
        inside = inside & is_there
        at.append(torch.where(is_there, place, 0).to(torch.int64))
    width, height, depth = at
    image = torch.arange(x.shape[0]).view(-1, 1, 1, 1)
    found = x.permute(0, 2, 3, 4, 1)[image, depth, height, width]
    return (found * torch.where(inside, share, 0).unsqueeze(-1)).permute(0, 4, 1, 2, 3)
