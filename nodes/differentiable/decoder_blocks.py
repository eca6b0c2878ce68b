"""Which modules of a VAE's decoder are recomputed in the backward pass instead of being kept."""

import comfy.sd
from comfy.ldm.modules.diffusionmodules.model import AttnBlock, Decoder, ResnetBlock
from torch import nn


def decoder_blocks(vae: comfy.sd.VAE) -> list[nn.Module]:
    """The blocks of a KL decoder (SD, SDXL, FLUX.1, FLUX.2), in order; empty for any other decoder.

    One block at a time is the best grain: its inputs are kept, and the largest, at full resolution, is recomputed
    alone (benchmarks/memory_estimate.py). A TAESD is kept: its backward pass needs little more than its pictures.
    Decoders of videos pass frames on through lists that blocks change, which recomputing would lose.
    """
    decoder = getattr(vae.first_stage_model, "decoder", None)
    if type(decoder) is not Decoder or decoder.carried:
        return []
    return [module for module in decoder.modules() if isinstance(module, ResnetBlock | AttnBlock)]
