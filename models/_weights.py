# SPDX-License-Identifier: Apache-2.0
"""Random weights that behave like trained ones: signals keep their size, batch norms are not the identity."""

from torch import nn


def randomize(model, gain=2.0):
    """Give convolutions and linear layers weights of variance gain / fan-in, and batch norms statistics of their own."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            inputs = (
                module.weight.shape[0] if isinstance(module, nn.ConvTranspose2d) else module.weight[0].numel()
            )
            nn.init.normal_(module.weight, std=(gain / inputs) ** 0.5)
            if isinstance(module, nn.Conv2d) and module.groups == 1:
                module.weight.data -= module.weight.data.mean((1, 2, 3), keepdim=True)
        elif isinstance(module, nn.LSTM):
            for weight in module.parameters():
                nn.init.normal_(weight, std=(gain / module.hidden_size) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.75, 1.25)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.75, 1.5)
    return model
