"""Latent to picture: TAESD's decoder (github.com/madebyollin/taesd) for 16 channels, with own weights."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

KEY = "taesd_decoder"
# Of FLUX's latent format: the file names them so that ComfyUI hands the decoder the model's own latent.
LATENT_SCALE, LATENT_SHIFT = 0.3611, 0.1159


class Decoder(nn.Module):
    """(B, 16, H, W) latents -> (B, 3, 8H, 8W) pictures, in [0, 1] up to small overshoots.

    Stored under the keys of ComfyUI's TAESD (`taesd_decoder.N`); N counts the leading clamp of the latent,
    which diffusers' `DecoderTiny` applies without numbering it.
    """

    def __init__(self):
        super().__init__()
        # Heavy, and absent in some ComfyUI installs, which bring their own TAESD.
        from diffusers.models.autoencoders.vae import DecoderTiny

        self.network = DecoderTiny(
            in_channels=16,
            out_channels=3,
            num_blocks=(3, 3, 3, 1),
            block_out_channels=(64, 64, 64, 64),
            upsampling_scaling_factor=2,
            act_fn="relu",
            upsample_fn="nearest",
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return (self.network(latent) + 1) / 2

    def save(self, path: Path, dtype: torch.dtype = torch.float16) -> None:
        tensors = {"vae_scale": torch.tensor(LATENT_SCALE), "vae_shift": torch.tensor(LATENT_SHIFT)}
        for key, value in self.network.layers.state_dict().items():
            index, rest = key.split(".", 1)
            tensors[f"{KEY}.{int(index) + 1}.{rest}"] = value.to(dtype).contiguous()
        save_file(tensors, path)

    def load(self, path: Path) -> "Decoder":
        """Fill in the weights of a file that `save` wrote; they become float32."""
        state = {}
        for key, value in load_file(path).items():
            if key.startswith(f"{KEY}."):
                index, rest = key.removeprefix(f"{KEY}.").split(".", 1)
                state[f"{int(index) - 1}.{rest}"] = value.float()
        self.network.layers.load_state_dict(state)
        return self
