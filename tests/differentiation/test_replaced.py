"""An attribute comes back however the contexts that replaced it overlap."""

import threading
from types import SimpleNamespace

import pytest

from differentiation import replaced


class Layer:
    def forward(self):
        return "stock"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_overlapping_contexts(order):
    owner = SimpleNamespace(flag=False)
    contexts = [replaced(owner, "flag", lambda before: ("instead of", before)) for _ in range(2)]
    for context in contexts:
        context.__enter__()
        assert owner.flag == ("instead of", False)
    contexts[order[0]].__exit__(None, None, None)
    assert owner.flag == ("instead of", False)
    contexts[order[1]].__exit__(None, None, None)
    assert owner.flag is False


def test_an_inherited_method_is_inherited_again():
    layer, other = Layer(), Layer()
    with replaced(layer, "forward", lambda stock: lambda: stock() + " and more"):
        assert layer.forward() == "stock and more" and other.forward() == "stock"
    assert vars(layer) == {}


def test_after_an_error():
    owner = SimpleNamespace(flag=False)
    with pytest.raises(ZeroDivisionError), replaced(owner, "flag", lambda _: True):
        raise ZeroDivisionError
    assert owner.flag is False


def test_what_does_not_exist_cannot_be_replaced():
    owner = SimpleNamespace()
    with pytest.raises(AttributeError), replaced(owner, "flag", lambda _: True):
        raise AssertionError("opened")
    owner.flag = False
    with replaced(owner, "flag", lambda _: True):
        assert owner.flag
    assert owner.flag is False


def test_many_threads():
    owner = SimpleNamespace(flag=False)

    def work():
        for _ in range(500):
            with replaced(owner, "flag", lambda _: True):
                assert owner.flag is True

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owner.flag is False
