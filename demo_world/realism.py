"""How unlike the painter's pictures a picture is; knows nothing of rewards, prompts or noise."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from .realism_detail import DetailJudge, autoencoder, fourth_power, save_judge, take_statistics
from .rewards import to_picture_size


class RealismJudge(nn.Module):
    """A denoising autoencoder and the statistics of what it makes of painter pictures.

    The autoencoder (Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders")
    squeezes a picture through 8 x 8 x `bottleneck` numbers and restores it. Where a picture is unlike the
    painter's, either its code is unusual or its restoration is poor. Both are summed up, row by row, in a vector of
    features, whitened by the mean and covariance that painter pictures have. The error is the mean fourth power of
    the whitened features (relative to a normal distribution's, 3), so that a few that are far out count for more
    than many that are slightly off: about 1 for painter pictures.

    Of a larger picture it sees what 64 pixels show of it.
    """

    name = "demo realism"

    def __init__(self, width: int = 24, bottleneck: int = 12):
        super().__init__()
        self.encoder, self.decoder = autoencoder(width, bottleneck)
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
        take_statistics(features, self.mean, self.whitening)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) in [0, 1] -> errors (B,); larger is worse, 1 to 2 is what painter pictures have."""
        return fourth_power(self.features(to_picture_size(images)), self.mean, self.whitening)

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        """Weights in `dtype`, statistics as they are."""
        save_judge(self, path, dtype)

    def load(self, path: Path) -> "RealismJudge":
        """Fill in the weights of a file that `save` wrote; they become float32."""
        self.load_state_dict({k: v.float() for k, v in load_file(path).items()})
        return self


class RealismAndDetail(nn.Module):
    """The judge of pictures of any size: of 128 and 256 pixels the mean error of two judges, else that of the first."""

    name = RealismJudge.name

    def __init__(self, whole: RealismJudge, detail: DetailJudge):
        super().__init__()
        self.whole, self.detail = whole, detail

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """images (B, 3, H, W) in [0, 1] -> errors (B,); larger is worse, 1 to 2 is what painter pictures have."""
        error = self.whole(images)
        if tuple(images.shape[-2:]) not in self.detail.SHAPES:
            return error
        return (error + self.detail(images.to(error.dtype))) / 2
