"""Ways to break a picture, for networks that must know a broken one. None involves optimized noise."""

import torch
import torch.nn.functional as F

from ..decoder import Decoder


def _rand(images: torch.Tensor, generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(len(images), *shape, generator=generator)


def _noise(images, generator):
    return torch.rand(images.shape, generator=generator)


def _blur(images, generator):
    return F.interpolate(F.avg_pool2d(images, 16), size=images.shape[-2:], mode="bilinear", align_corners=False)


def _fog(images, generator):
    """A smooth random colour field in place of the picture."""
    field = _rand(images, generator, 3, 3, 3)
    return F.interpolate(field, size=images.shape[-2:], mode="bicubic", align_corners=False).clamp(0, 1)


def _shuffle(images, generator):
    """The 8 x 8 patches in random order."""
    patches = F.unfold(images, 8, stride=8)
    order = _rand(images, generator, patches.shape[-1]).argsort(1)
    return F.fold(patches.gather(2, order[:, None].expand_as(patches)), images.shape[-2:], 8, stride=8)


def _harsh(images, generator):
    """Random colours mixed in and contrast raised until most pixels saturate."""
    mix = torch.randn(len(images), 3, 3, generator=generator)
    return (0.5 + 2 * torch.einsum("bij,bjhw->bihw", mix, images - 0.5)).clamp(0, 1)


def _mosaic(images, generator):
    """Half of the patches from other pictures of the batch."""
    mask = (_rand(images, generator, 1, 8, 8) < 0.5).to(images).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return images + mask * (images.roll(1, 0) - images)


BREAKS = (_noise, _blur, _fog, _shuffle, _harsh, _mosaic)


def break_pictures(images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend every picture (B, 3, 64, 64) with a broken version of itself, of one kind for each batch.

    Returns:
        The pictures and how broken each is (B,), uniform between 0 (untouched) and 1.
    """
    kind = int(torch.randint(len(BREAKS), (), generator=generator))
    amount = _rand(images, generator)
    return images.lerp(BREAKS[kind](images, generator), amount[:, None, None, None]), amount


@torch.no_grad()
def decode_perturbed(
    decoder: Decoder, latent: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode latents with white, smooth or constant noise added: how latents off their manifold look.

    Returns:
        The pictures and how broken each is (B,): up to 1, at which the noise is twice as large as a latent.
    """
    amount = _rand(latent, generator)
    shape = latent.shape
    size = (8, 3, 1)[int(torch.randint(3, (), generator=generator))]
    noise = torch.randn(*shape[:2], size, size, generator=generator)
    noise = F.interpolate(noise, size=shape[-2:], mode="bilinear", align_corners=False)
    with torch.autocast("cpu", torch.bfloat16):
        images = decoder(latent + 2 * amount[:, None, None, None] * noise).float()
    return images.clamp(0, 1), amount
