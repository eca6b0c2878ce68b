"""A reward without weights, and a preconditioner that lets the noise stay."""

import torch


class Ramp(torch.nn.Module):
    """A reward whose pixel gradient differs from pixel to pixel. (B, 3, H, W) in [0, 1] -> (B,)."""

    name = "ramp"
    needs_prompt = False
    typical_range = (0.0, 1.0)

    def forward(self, images, prompts=None):
        rows, columns = images.shape[-2:]
        across = torch.linspace(-1, 1, columns, device=images.device)
        down = torch.linspace(0.5, 1, rows, device=images.device)
        return (images * across * down[:, None] + 0.3 * images**2).mean((1, 2, 3))


class Still:
    """Notes each gradient, on the CPU, and lets the noise stay, so that every step repeats the first."""

    def __init__(self):
        self.gradients = []

    def precondition(self, gradient, noise):
        self.gradients.append(gradient.cpu().clone())
        return torch.zeros_like(gradient)

    def retract(self, noise):
        return noise
