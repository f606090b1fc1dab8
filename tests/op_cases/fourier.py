# SPDX-License-Identifier: Apache-2.0
"""Cases of Fourier transforms, which become products."""

import torch

from op_cases.values import Values

values = Values(18)
f = values.f


def c(*shape):
    return torch.complex(f(*shape), f(*shape))


FOURIER = {
    "rfft": (torch.fft.rfft, (f(3, 10),)),
    "rfft of an odd length": (lambda x: torch.fft.rfft(x, dim=0, norm="ortho"), (f(7, 3),)),
    "rfft, cut off": (lambda x: torch.fft.rfft(x, 6, norm="forward"), (f(2, 9),)),
    "rfft, filled up": (lambda x: torch.fft.rfft(x, 16), (f(2, 9),)),
    "fft of reals": (torch.fft.fft, (f(3, 8),)),
    "fft": (torch.fft.fft, (c(3, 9),)),
    "fft along the first": (lambda x: torch.fft.fft(x, dim=0, norm="ortho"), (c(4, 3),)),
    "ifft": (torch.fft.ifft, (c(2, 3, 6),)),
    "there and back": (lambda x: torch.fft.ifft(torch.fft.fft(x)).real, (f(2, 12),)),
    "irfft": (torch.fft.irfft, (c(3, 6),)),
    "irfft of an odd length": (lambda x: torch.fft.irfft(x, 9, norm="ortho"), (c(3, 5),)),
    "fft2": (torch.fft.fft2, (c(2, 4, 6),)),
    "rfft2": (torch.fft.rfft2, (f(2, 4, 6),)),
    "irfft2": (torch.fft.irfft2, (c(2, 4, 4),)),
    "fftn and its real part": (lambda x: torch.fft.fftn(x).real, (f(3, 4, 5),)),
    "hfft": (torch.fft.hfft, (c(2, 5),)),
    "shifted": (lambda x: torch.fft.fftshift(torch.fft.fft(x)), (c(2, 6),)),
    "of a long prime length": (torch.fft.rfft, (f(1, 521),)),
    "a long fft": (torch.fft.fft, (c(2, 600),)),
    "a long rfft": (torch.fft.rfft, (f(1, 1000),)),
    "a long irfft": (torch.fft.irfft, (c(1, 386),)),
    "a long irfft of an odd length": (lambda x: torch.fft.irfft(x, 525), (c(1, 263),)),
    "a convolution": (
        lambda x, w: torch.fft.irfft(torch.fft.rfft(x, 16) * torch.fft.rfft(w, 16)),
        (f(2, 10), f(5)),
    ),
    "stft": (lambda x: torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True), (f(2, 64),)),
    "size of an stft": (
        lambda x, w: torch.stft(x, 10, 3, 8, w, center=False, normalized=True, return_complex=True).abs(),
        (f(40), f(8).abs()),
    ),
    "istft": (
        lambda x: torch.istft(
            torch.stft(x, 16, 4, window=torch.hann_window(16), return_complex=True), 16, 4, window=torch.hann_window(16)
        ),
        (f(2, 64),),
    ),
}  # fmt: skip
