"""Sizes of SDXL's UNet, for who writes its file and for who recognises it inside ComfyUI."""

from dataclasses import dataclass

SIZE_EMBEDDINGS = 6 * 256


@dataclass(frozen=True)
class UNetGeometry:
    """channels, transformers: per level, the second in blocks of each attention. layers: residual blocks per level."""

    channels: tuple[int, ...]
    transformers: tuple[int, ...]
    layers: int
    text_width: int
    pooled_width: int

    @property
    def added_width(self) -> int:
        """Of the vector with pooled text and picture sizes."""
        return self.pooled_width + SIZE_EMBEDDINGS

    @property
    def layout(self) -> dict:
        """In the words of ComfyUI's model configs."""
        return {
            "num_res_blocks": [self.layers] * len(self.channels),
            "channel_mult": [width // self.channels[0] for width in self.channels],
            "transformer_depth": [depth for depth in self.transformers for _ in range(self.layers)],
            "transformer_depth_output": [depth for depth in self.transformers for _ in range(self.layers + 1)],
            "transformer_depth_middle": self.transformers[-1],
        }


GEOMETRIES = {
    "tiny": UNetGeometry((32, 64), (0, 2), 1, 48, 32),
    "small": UNetGeometry((320, 640, 1280), (0, 2, 6), 1, 2048, 1280),  # KOALA-1B, 1.2 billion parameters
    "full": UNetGeometry((320, 640, 1280), (0, 2, 10), 2, 2048, 1280),  # SDXL, 2.6 billion
}
