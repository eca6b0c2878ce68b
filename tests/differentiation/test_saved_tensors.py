"""Models that change saved tensors in place have the gradient of the same models without in-place operations."""

import gc
import weakref

import pytest
import torch

from differentiation.saved_tensors import saved_before_mutation

pytestmark = pytest.mark.numerical


def gradient(function, x):
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(function(x).sum(), x)[0]


def whole(x):
    h = x * 2
    y = h**2
    h += 1
    return y + h**3


def slice_of_it(x):
    h = x * 2
    y = h**2
    h[3:] *= 5
    return y + h**3


def saved_slice(x):
    h = x * 2
    y = h[2:] ** 2
    h[:5] *= 3
    return torch.cat([y, h**3])


def transposed(x):
    h = (x * 2).view(2, -1)
    y = h**2
    h.t().mul_(3)
    return (y + h**3).flatten()


def same_memory_set(x):
    h = x * 2
    y = h**2
    torch.empty(0, dtype=x.dtype).set_(h.untyped_storage(), 0, h.shape).mul_(3)
    return y


def foreach(x):
    h, k = x * 2, x * 3
    y = h**2 + k**2
    torch._foreach_add_([h, k], 1.0)
    return y + h**3 + k**3


def out_argument(x):
    h = x * 2
    y = h**2
    with torch.no_grad():
        torch.mul(h.detach(), 0, out=h.detach())
    return y


def own_output(x):
    y = (x * 2).exp()
    z = y * 1
    y.detach().zero_()
    return z


def freed_and_allocated_again(x):
    y = 0
    for k in range(1, 30):
        h = x * k
        y = y + h**2 * h.sin()
        h.mul_(k)
        y = y + h**2
        del h
    return y


OUT_OF_PLACE = {
    whole: lambda x: (2 * x) ** 2 + (2 * x + 1) ** 3,
    slice_of_it: lambda x: (2 * x) ** 2 + torch.cat([2 * x[:3], 10 * x[3:]]) ** 3,
    saved_slice: lambda x: torch.cat([(2 * x[2:]) ** 2, torch.cat([6 * x[:5], 2 * x[5:]]) ** 3]),
    transposed: lambda x: (2 * x) ** 2 + (6 * x) ** 3,
    same_memory_set: lambda x: (2 * x) ** 2,
    foreach: lambda x: 13 * x**2 + (2 * x + 1) ** 3 + (3 * x + 1) ** 3,
    out_argument: lambda x: (2 * x) ** 2,
    own_output: lambda x: (2 * x).exp(),
    freed_and_allocated_again: lambda x: sum((k * x) ** 2 * (k * x).sin() + (k * k * x) ** 2 for k in range(1, 30)),
}


@pytest.mark.parametrize("function", OUT_OF_PLACE, ids=lambda function: function.__name__)
def test_in_place_as_out_of_place(function):
    x = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = gradient(OUT_OF_PLACE[function], x)
    with saved_before_mutation():
        torch.testing.assert_close(gradient(function, x), wanted)
        gc.collect()
        torch.testing.assert_close(gradient(function, x), wanted)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs(seed):
    """Tensors are made, multiplied, saved, changed and dropped in random order; slices share their memory."""
    x = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))

    def program(x, in_place):
        choose = torch.Generator().manual_seed(seed)
        state, total = [x * 1.0 for _ in range(3)], 0.0
        for _ in range(40):
            i, j, action, start = (int(torch.randint(n, (), generator=choose)) for n in (3, 3, 4, 5))
            if action == 0:
                state[i] = state[i] * state[j].tanh()
            elif action == 1:
                total = total + (state[i] * state[j]).sum() + state[i].sin().sum()
            elif action == 2 and i != j:
                if in_place:
                    state[i] += state[j].cos()
                else:
                    state[i] = state[i] + state[j].cos()
            elif action == 3:
                if in_place:
                    state[i][start:].mul_(0.5)
                else:
                    state[i] = torch.cat([state[i][:start], state[i][start:] * 0.5])
        return total + sum(tensor.square().sum() for tensor in state)

    wanted = gradient(lambda x: program(x, in_place=False), x)
    with saved_before_mutation():
        torch.testing.assert_close(gradient(lambda x: program(x, in_place=True), x), wanted)


def test_contexts_may_be_nested():
    x = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with saved_before_mutation():
        a = x.clone().requires_grad_(True)
        h = a * 2
        y = h**2
        with saved_before_mutation():
            torch.testing.assert_close(gradient(slice_of_it, x), gradient(OUT_OF_PLACE[slice_of_it], x))
            h[2:] *= 3
        torch.testing.assert_close(torch.autograd.grad(y.sum(), a)[0], 8 * x)


@pytest.mark.parametrize("operation", [torch.exp, torch.tanh, torch.rsqrt, lambda h: h.softmax(0)])
def test_a_forward_pass_that_failed_leaves_nothing(operation):
    """These operations save their own results."""
    left = []

    def fails():
        x = torch.rand(8, requires_grad=True)
        with saved_before_mutation():
            kept = operation(x * 2)
            left.append(weakref.ref(kept))
            (kept * kept).sum()
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        fails()
    gc.collect()
    assert left[0]() is None


def test_what_nobody_changes_is_not_copied():
    x = torch.randn(8, requires_grad=True)
    h = x * 2
    with saved_before_mutation():
        y = h**2
        assert y.grad_fn._saved_self.untyped_storage().data_ptr() == h.untyped_storage().data_ptr()
        h.detach().zero_()
        assert y.grad_fn._saved_self.untyped_storage().data_ptr() != h.untyped_storage().data_ptr()
