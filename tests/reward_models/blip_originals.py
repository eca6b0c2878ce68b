"""ImageReward and CycleReward in plain torch functions on the published key names: a second implementation.

A timm vision transformer and a BERT encoder with cross-attention (BLIP, arXiv 2201.12086), written from the
layer descriptions; it shares no code with transformers' BLIP modules.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reward_models.parity import clip_normalised, eval_head, head_layers, torchvision_like_crop


class OriginalBlip:
    """The two encoders, from a state dict and their head counts."""

    def __init__(self, weights: dict[str, Tensor], vision_heads: int, text_heads: int, image_size: int):
        self.weights = weights
        self.vision_heads = vision_heads
        self.text_heads = text_heads
        self.image_size = image_size

    def first_state(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        pixels = clip_normalised(torchvision_like_crop(images, self.image_size))
        return self.encode_text(tokens, mask, self.encode_image(pixels))[:, 0]

    def encode_image(self, pixels: Tensor) -> Tensor:
        prefix = "blip.visual_encoder."
        kernel = self.weights[prefix + "patch_embed.proj.weight"]
        x = F.conv2d(pixels, kernel, self.weights[prefix + "patch_embed.proj.bias"], stride=kernel.shape[-1])
        x = x.flatten(2).transpose(1, 2)
        cls = self.weights[prefix + "cls_token"].expand(len(x), -1, -1)
        x = torch.cat([cls, x], dim=1) + self.weights[prefix + "pos_embed"]
        for block in self._layers(prefix + "blocks."):
            fused = self._linear(block + "attn.qkv", self._norm(block + "norm1", x, 1e-6))
            attended = _attention(*fused.chunk(3, dim=-1), self.vision_heads)
            x = x + self._linear(block + "attn.proj", attended)
            hidden = F.gelu(self._linear(block + "mlp.fc1", self._norm(block + "norm2", x, 1e-6)))
            x = x + self._linear(block + "mlp.fc2", hidden)
        return self._norm(prefix + "norm", x, 1e-6)

    def encode_text(self, tokens: Tensor, mask: Tensor, patches: Tensor) -> Tensor:
        prefix = "blip.text_encoder."
        x = self.weights[prefix + "embeddings.word_embeddings.weight"][tokens]
        x = x + self.weights[prefix + "embeddings.position_embeddings.weight"][: tokens.shape[1]]
        x = self._norm(prefix + "embeddings.LayerNorm", x, 1e-12)
        for layer in self._layers(prefix + "encoder.layer."):
            x = self._attend(layer + "attention.", x, x, mask)
            x = self._attend(layer + "crossattention.", x, patches, None)
            hidden = F.gelu(self._linear(layer + "intermediate.dense", x))
            x = self._norm(layer + "output.LayerNorm", x + self._linear(layer + "output.dense", hidden), 1e-12)
        return x

    def _attend(self, name: str, x: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        query = self._linear(name + "self.query", x)
        key, value = (self._linear(f"{name}self.{part}", source) for part in ("key", "value"))
        attended = self._linear(name + "output.dense", _attention(query, key, value, self.text_heads, mask))
        return self._norm(name + "output.LayerNorm", x + attended, 1e-12)

    def _layers(self, prefix: str) -> list[str]:
        found = {int(name[len(prefix) :].split(".")[0]) for name in self.weights if name.startswith(prefix)}
        return [f"{prefix}{index}." for index in sorted(found)]

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def _norm(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[name + ".weight"], self.weights[name + ".bias"], epsilon)


class OriginalImageReward(OriginalBlip):
    """Callable (images, token ids, mask) to (B,) scores."""

    def __call__(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        raw = eval_head(self.weights, "mlp.layers.", self.first_state(images, tokens, mask))
        return (raw - 0.16717362830052426) / 1.0333394966054072


class OriginalCycleReward(OriginalBlip):
    """Callable (images, token ids, mask) to (B,) scores."""

    def __call__(self, images: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        x = self.first_state(images, tokens, mask)
        *hidden, last = head_layers(self.weights, "mlp.layers.")
        for weight, bias in hidden:
            x = x @ weight.T + bias
            x = x * (1 + torch.erf(x / 2**0.5)) / 2  # the exact GELU
        return (x @ last[0].T + last[1])[:, 0]


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    query, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    logits = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        logits = logits.masked_fill(mask[:, None, None] == 0, float("-inf"))
    return (logits.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
