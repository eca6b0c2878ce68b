"""Which modules of a diffusion model are recomputed in the backward pass instead of being kept."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from torch import nn

from ...differentiation import recompute, replaced


@contextmanager
def recomputed_blocks(blocks: list[nn.Module], changes_inputs: bool = True) -> Iterator[None]:
    """Let each block keep only its inputs for the backward pass while the context is open.

    The instance's `forward` is replaced, so a patch that somebody else put there stays in effect, and is put
    back. `patches_replace` would not do: ComfyUI hands it a closure over its loop variable, so a
    recomputation would run the last block.

    Args:
        blocks: none of them inside another.
        changes_inputs: as for `recompute`.
    """
    with ExitStack() as stack:
        for block in blocks:
            stack.enter_context(replaced(block, "forward", lambda forward: recompute(forward, changes_inputs)))
        yield
