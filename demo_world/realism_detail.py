"""How unlike the painter's a picture of 128 or 256 pixels is in what 64 pixels do not show of it."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

ROWS = 8  # of features, from the top of the picture to its bottom
PATCH = 8  # pixels


def autoencoder(width: int, bottleneck: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Pictures (B, 3, H, W) in [-1, 1] -> codes (B, bottleneck, H / 8, W / 8) -> pictures about zero."""
    encoder = nn.Sequential(
        nn.Conv2d(3, width, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(width, 2 * width, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(2 * width, 3 * width, 4, 2, 1),
        nn.SiLU(),
        nn.Conv2d(3 * width, bottleneck, 3, 1, 1),
    )
    decoder = nn.Sequential(
        nn.Conv2d(bottleneck, 3 * width, 3, 1, 1),
        nn.SiLU(),
        nn.Conv2d(3 * width, 4 * 2 * width, 3, 1, 1),
        nn.PixelShuffle(2),
        nn.SiLU(),
        nn.Conv2d(2 * width, 4 * width, 3, 1, 1),
        nn.PixelShuffle(2),
        nn.SiLU(),
        nn.Conv2d(width, 12, 3, 1, 1),
        nn.PixelShuffle(2),
    )
    return encoder, decoder


def fourth_power(features: torch.Tensor, mean: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """(B, F) -> (B,): the mean fourth power of the whitened features, about 1 for those of painter pictures."""
    return ((features - mean) @ whitening.T).pow(4).mean(1) / 3


@torch.no_grad()
def take_statistics(features: torch.Tensor, mean: torch.Tensor, whitening: torch.Tensor) -> None:
    """Write mean and whitening matrix of `features` (N, F), N well above F."""
    mean.copy_(features.mean(0))
    values, vectors = torch.linalg.eigh(torch.cov(features.T.double()))
    whitening.copy_((vectors * values.rsqrt()).T)


def save_judge(judge: nn.Module, path: Path, dtype: torch.dtype) -> None:
    """Weights in `dtype`; the statistics, which half precision would spoil, as they are."""
    statistics = dict(judge.named_buffers())
    tensors = {k: v if k in statistics else v.to(dtype) for k, v in judge.state_dict().items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path)


class DetailJudge(nn.Module):
    """A denoising autoencoder of 64-pixel windows of larger pictures, run over all of their pixels.

    As in `RealismJudge`, codes and restoration become features, whitened by what painter pictures of the size have.
    They are local: how well each row is restored, how badly its worst patch, how much its neighbouring pixels differ,
    and which codes there are, not where.
    """

    SHAPES = ((128, 128), (256, 256))

    def __init__(self, width: int = 24, bottleneck: int = 12):
        super().__init__()
        self.encoder, self.decoder = autoencoder(width, bottleneck)
        length = 2 * bottleneck + 3 * ROWS
        for size, _ in self.SHAPES:
            self.register_buffer(f"mean_{size}", torch.zeros(length))
            self.register_buffer(f"whitening_{size}", torch.eye(length))

    def restore(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) -> what the autoencoder makes of them."""
        return self.decoder(self.encoder(images * 2 - 1)) + 0.5

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 48): mean and spread of the codes; errors, of the worst patches too, and differences in nepers."""
        code = self.encoder(images * 2 - 1)
        error = (self.decoder(code) + 0.5 - images).square().mean(1)
        patches = F.avg_pool2d(error, PATCH).reshape(len(images), ROWS, -1)
        # What is left of a pixel without the mean of its neighbours.
        sharp = (images - F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)).square().mean(1)
        energies = torch.cat([patches.mean(2), patches.amax(2), sharp.reshape(len(images), ROWS, -1).mean(2)], 1)
        return torch.cat([code.mean((2, 3)), code.std((2, 3)), 0.5 * (energies + 1e-6).log()], 1)

    def calibrate(self, features: torch.Tensor, size: int) -> None:
        """Take `features` (N, 48), N well above 48, as those of painter pictures of so many pixels."""
        take_statistics(features, *self._statistics(size))

    def _statistics(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        return getattr(self, f"mean_{size}"), getattr(self, f"whitening_{size}")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) in [0, 1] of one of `SHAPES` -> errors (B,), about 1 for painter pictures.

        Raises:
            ValueError: pictures of another size.
        """
        if tuple(images.shape[-2:]) not in self.SHAPES:
            sizes = " or ".join(f"{height} x {width}" for height, width in self.SHAPES)
            raise ValueError(f"images must be (B, 3, H, W) of {sizes} pixels, got {tuple(images.shape)}")
        return fourth_power(self.features(images), *self._statistics(images.shape[-1]))

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        """Weights in `dtype`, statistics as they are."""
        save_judge(self, path, dtype)

    def load(self, path: Path) -> "DetailJudge":
        """Fill in the weights of a file that `save` wrote; they become float32."""
        self.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return self
