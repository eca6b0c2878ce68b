"""LATENTs that fit a noise: an empty one gets the channels of the noise's model, a batch its copies."""

from torch import Tensor


def with_channels_of(noise: Tensor, latent: dict) -> dict:
    """An empty LATENT made for another kind of model gets the channels of `noise`, as samplers see to it."""
    samples = latent["samples"]
    if samples.is_nested or samples.ndim != noise.ndim or samples.any():
        return latent
    return {**latent, "samples": samples.new_zeros(samples.shape[0], noise.shape[1], *samples.shape[2:])}


def repeated(latent: dict, chosen: slice, count: int) -> dict:
    """The LATENT with each chosen sample, and its mask, `count` times."""
    batch = latent["samples"].shape[0]
    copies = {**latent, "samples": latent["samples"][chosen].repeat_interleave(count, 0)}
    copies.pop("batch_index", None)  # of the samples as they were; the copies are counted anew
    mask = latent.get("noise_mask")
    if mask is not None and mask.shape[0] == batch > 1:
        copies["noise_mask"] = mask[chosen].repeat_interleave(count, 0)
    return copies
