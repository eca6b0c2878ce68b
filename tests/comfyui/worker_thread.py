"""Backward passes in a thread of PyTorch's own, on the CPU: where those of a graphics card always run.

PyTorch goes backward through operations of a GPU in a worker thread, into which it brings the caller's gradient mode,
inference mode, dispatch modes and hooks. On the CPU it stays in the caller's thread, but for one case: a backward pass
inside more than 60 others gets a worker of its own, with the same state.
"""

import threading

import torch

NESTED = 61


class BackwardInWorker:
    """While open, every `torch.autograd.grad` of this thread runs in a worker. passes: how many did."""

    def __init__(self, monkeypatch):
        self.passes = 0
        self._stock = torch.autograd.grad
        self._here = threading.get_ident()
        monkeypatch.setattr(torch.autograd, "grad", self._grad)

    def _grad(self, *args, **kwargs):
        if threading.get_ident() != self._here:
            return self._stock(*args, **kwargs)
        found = []

        def innermost():
            assert threading.get_ident() != self._here
            self.passes += 1
            found.append(self._stock(*args, **kwargs))

        self._nested(NESTED, innermost)
        return found[0]

    def _nested(self, left, innermost):
        with torch.enable_grad():
            x = torch.zeros((), requires_grad=True)
            result = _Inside.apply(x, self._nested if left else None, left, innermost)
        self._stock(result, x)


class _Inside(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, nested, left, innermost):
        ctx.inner = (lambda: nested(left - 1, innermost)) if nested else innermost
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.inner()
        return gradient, None, None, None
