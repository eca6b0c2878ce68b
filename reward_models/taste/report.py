"""What was learned, in words."""

from __future__ import annotations

from .held_out import HeldOut

_CHANCE = (
    "This cannot be told from chance: the taste is not worth following yet. Add pictures, or choose them so that the "
    "liked and the disliked ones differ in what you mean and in nothing else."
)
_ALONE = (
    "Without disliked pictures it only learned to tell yours from broken, recoloured and shuffled copies of them. "
    "Connect ordinary pictures of your model as disliked ones, and it learns what you choose."
)


def describe_taste(liked: int, disliked: int, encoder: str, found: HeldOut) -> str:
    """Lines of text for the artist.

    Args:
        liked, disliked: how many pictures it was learned from.
        encoder: name of the image encoder.
        found: see `HeldOut`.
    """
    others = f"{disliked} disliked ones" if disliked else "broken copies of them"
    other = "a disliked one" if found.against_disliked else "a broken copy"
    lines = [
        f"Learned from {liked} liked pictures and {others}, in the eyes of {encoder}.",
        f"Held out: of a liked picture and {other} that it had not seen, it prefers the liked one in "
        f"{found.share:.0%} of the pairs (95% interval: {found.low:.0%} to {found.high:.0%}; chance: 50%).",
    ]
    if found.is_chance:
        lines.append(_CHANCE)
    if not found.against_disliked:
        lines.append(_ALONE)
    return "\n".join(lines)
