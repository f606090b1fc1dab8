# SPDX-License-Identifier: Apache-2.0
"""ViT-B/16 (Dosovitskiy et al. 2021) for one 224x224 image: 86 million parameters, 17.6 billion MACs.

Needs MACHINE=roomy.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vit import VisionTransformer


def model():
    return VisionTransformer(image=224, patch=16, width=768, heads=12, layers=12, classes=1000)


def inputs():
    return (torch.randn(1, 3, 224, 224),)
