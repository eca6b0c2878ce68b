"""Gradients through recomputed blocks against the same network written without in-place changes."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from differentiation import recompute

pytestmark = pytest.mark.numerical


class InPlaceBlock(nn.Module):
    """Adds its residuals in place, as ComfyUI's transformer blocks do."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        self.mix = nn.Linear(width, width)

    def forward(self, img, txt, options=None):
        scale = 1.0 if options is None else options["scale"]
        img += torch.tanh(self.linear(self.norm(img))) * scale
        img += torch.tanh(self.mix(img)) * txt.mean()
        txt += self.linear(self.norm(txt)) * img.mean()
        return img, txt

    def out_of_place(self, img, txt, scale):
        img = img + torch.tanh(self.linear(self.norm(img))) * scale
        img = img + torch.tanh(self.mix(img)) * txt.mean()
        txt = txt + self.linear(self.norm(txt)) * img.mean()
        return img, txt


@pytest.fixture
def blocks():
    torch.manual_seed(0)
    return nn.ModuleList(InPlaceBlock(6) for _ in range(3)).double().requires_grad_(False)


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    return torch.randn(2, 5, 6).double(), torch.randn(2, 3, 6).double()


def reference_gradient(blocks, img, txt):
    x = img.clone().requires_grad_(True)
    h, t = x * 1.0, txt
    for i, block in enumerate(blocks):
        h, t = block.out_of_place(h, t, 1.0 + i)
    return torch.autograd.grad((h.sin().sum() + (t**2).sum()), x)[0]


def recomputed_gradient(blocks, img, txt, wrap):
    x = img.clone().requires_grad_(True)
    h, t = x * 1.0, txt.clone()
    options = {}
    for i, block in enumerate(blocks):
        options["scale"] = 1.0 + i  # one dict, changed from block to block
        h, t = wrap(block)(h, t, options=options)
    return torch.autograd.grad((h.sin().sum() + (t**2).sum()), x)[0]


def test_gradient_is_exact(blocks, inputs):
    expected = reference_gradient(blocks, *inputs)
    found = recomputed_gradient(blocks, *inputs, wrap=recompute)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_torch_checkpoint_is_not_exact_here(blocks, inputs):
    """Why this module exists: the day this fails, torch.utils.checkpoint can take its place."""
    expected = reference_gradient(blocks, *inputs)

    def wrap(block):
        def run(img, txt, options):
            scale = options["scale"]
            return checkpoint(lambda i, t: block(i.clone(), t.clone(), {"scale": scale}), img, txt, use_reentrant=False)

        return run

    try:
        found = recomputed_gradient(blocks, *inputs, wrap=wrap)
    except RuntimeError:
        return
    assert not torch.allclose(found, expected, rtol=1e-3)


def test_inputs_are_left_as_they_were(blocks, inputs):
    img, txt = inputs
    x = img.clone().requires_grad_(True)
    h = x * 1.0
    kept = h.detach().clone()
    recompute(blocks[0])(h, txt)
    assert torch.equal(h.detach(), kept) and torch.equal(txt, inputs[1])


def test_without_gradient_it_is_the_block_itself(blocks, inputs):
    img, txt = inputs
    expected = blocks[0].out_of_place(img, txt, 1.0)
    found = recompute(blocks[0])(img.clone(), txt.clone())
    assert torch.allclose(found[0], expected[0]) and torch.allclose(found[1], expected[1])


def test_only_inputs_are_kept(blocks):
    """What a chain of blocks saves for backward grows by its inputs, not by what is inside a block."""
    saved = []
    x = torch.randn(1, 64, 6, dtype=torch.double, requires_grad=True)

    def bytes_saved(wrap):
        saved.clear()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            h, t = x * 1.0, torch.zeros(1, 1, 6, dtype=torch.double)
            for block in blocks:
                h, t = wrap(block)(h, t)
        return sum(t.numel() * 8 for t in saved)

    def kept(block):
        return lambda h, t: block.out_of_place(h, t, 1.0)

    assert bytes_saved(recompute) <= len(blocks) * (64 + 1) * 6 * 8
    assert bytes_saved(kept) > 3 * bytes_saved(recompute)


def test_a_hidden_gradient_is_refused():
    class Holder:
        def __init__(self, tensor):
            self.tensor = tensor

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Holder"):
        recompute(lambda a, holder: a * holder.tensor)(x * 1, Holder(x * 2))


@pytest.mark.parametrize("result", [lambda x: [x * 2, None], lambda x: {"a": x * 2, "n": 3}])
def test_nested_results(result):
    x = torch.ones(2, requires_grad=True)
    out = recompute(result)(x)
    tensor = out[0] if isinstance(out, list) else out["a"]
    assert torch.autograd.grad(tensor.sum(), x)[0].tolist() == [2.0, 2.0]
