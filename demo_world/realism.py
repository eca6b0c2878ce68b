"""How unlike the painter's pictures a picture is; knows nothing of rewards, prompts or noise."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from .rewards import to_picture_size


class RealismJudge(nn.Module):
    """A denoising autoencoder and the statistics of what it makes of painter pictures.

    The autoencoder (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders")
    squeezes a picture through 8 x 8 x `bottleneck` numbers and restores it. Where a picture is unlike the
    painter's, either its code is unusual or its restoration is poor. Both are summed up, row by row, in a vector of
    features, whitened by the mean and covariance that painter pictures have. The error is the mean fourth power of
    the whitened features (relative to a normal distribution's, 3), so that a few that are far out count for more
    than many that are slightly off: about 1 for painter pictures.
    """

    name = "demo realism"

    def __init__(self, width: int = 24, bottleneck: int = 12):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 3 * width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(3 * width, bottleneck, 3, 1, 1),
        )
        self.decoder = nn.Sequential(
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
        length = 8 * bottleneck + bottleneck + 8
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("whitening", torch.eye(length))

    def restore(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, 64, 64) -> what the autoencoder makes of them."""
        return self.decoder(self.encoder(images * 2 - 1)) + 0.5

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, F): per row of cells the mean code and the restoration error in nepers, then the codes' spread."""
        code = self.encoder(images * 2 - 1)
        error = (self.decoder(code) + 0.5 - images).square().mean(1)
        error = error.reshape(len(images), 8, -1).mean(2)
        return torch.cat([code.mean(3).flatten(1), code.std((2, 3)), 0.5 * (error + 1e-6).log()], 1)

    @torch.no_grad()
    def calibrate(self, features: torch.Tensor) -> None:
        """Take `features` (N, F), N well above F, as those of painter pictures."""
        self.mean.copy_(features.mean(0))
        values, vectors = torch.linalg.eigh(torch.cov(features.T.double()))
        self.whitening.copy_((vectors * values.rsqrt()).T)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) in [0, 1] -> errors (B,); larger is worse, about 1 is what painter pictures have."""
        features = self.features(to_picture_size(images)) - self.mean
        return (features @ self.whitening.T).pow(4).mean(1) / 3

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        """Weights in `dtype`; the statistics, which half precision would spoil, as they are."""
        statistics = dict(self.named_buffers())
        tensors = {k: v if k in statistics else v.to(dtype) for k, v in self.state_dict().items()}
        save_file({k: v.contiguous() for k, v in tensors.items()}, path)

    def load(self, path: Path) -> "RealismJudge":
        """Fill in the weights of a file that `save` wrote; they become float32."""
        self.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return self
