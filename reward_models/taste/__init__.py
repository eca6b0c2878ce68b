"""A reward learned from pictures that one likes: heads on the embedding of a CLIP or SigLIP (no ComfyUI)."""

from .embedding_store import EmbeddingStore
from .held_out import HeldOut
from .learning import CAUTION, learn
from .lesson import Lesson, embedded_lesson
from .pictures import Picture, check_numbers, different, in_eight_bits, without
from .report import describe_taste
from .reward import Taste, save_taste

__all__ = [
    "CAUTION",
    "EmbeddingStore",
    "HeldOut",
    "Lesson",
    "Picture",
    "Taste",
    "check_numbers",
    "describe_taste",
    "different",
    "embedded_lesson",
    "in_eight_bits",
    "learn",
    "save_taste",
    "without",
]
