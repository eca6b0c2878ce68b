"""Random permutations that are a function of the noise they permute."""

import torch


def permutation_generators(flat: torch.Tensor, seed: int) -> list[torch.Generator]:
    """One generator for each row of `flat` (batch, N), on its device, seeded by `seed` and the row's own bits.

    An ascent then sees new permutations at every step, since its noise has moved, and yet the same noise
    always gives the same ones: a penalty keeps no state, repeats from run to run, and treats a sample alike
    in any batch.
    """
    keys = flat.to(torch.float32).contiguous().view(torch.int32).sum(1, dtype=torch.int64).tolist()
    return [torch.Generator(flat.device).manual_seed((seed * 1_000_003 + key) % 2**63) for key in keys]
