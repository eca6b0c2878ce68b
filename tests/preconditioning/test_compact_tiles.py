"""Tiles of neighbours: a permutation whose stretches lie close together."""

import pytest
import torch

from preconditioning.compact_tiles import GROUP, TILE, compact_order, runs

CPU = torch.device("cpu")
SHAPES = [(16, 64, 64), (4, 40, 56), (3, 7, 11), (16, 5, 12, 20), (128, 9, 6), (1, 1, 1), (24, 40), (5, 1, 300)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_element_has_one_place(shape):
    order = compact_order(shape, CPU)
    assert order.sort().values.equal(torch.arange(len(order))) and len(order) == torch.Size(shape).numel()


@pytest.mark.parametrize(
    "shape, tile, group",
    [((16, 64, 64), (2, 2), (4, 4)), ((4, 64, 64), (4, 4), (8, 8)), ((16, 3, 32, 48), (2, 2), (4, 4)),
     ((32, 16, 16), (1, 2), (2, 4)), ((64, 64), (8, 8), (16, 16))],
)  # fmt: skip
def test_tiles_and_groups_of_tiles_are_rectangles_of_all_channels(shape, tile, group):
    order = compact_order(shape, CPU)
    channels = shape[0] if len(shape) > 2 else 1
    for size, (rows, columns) in ((TILE, tile), (GROUP * TILE, group)):
        for stretch in order.split(size):
            row, column = stretch // shape[-1] % shape[-2], stretch % shape[-1]
            assert row.max() - row.min() < rows and column.max() - column.min() < columns
            if len(shape) > 3:
                frame = stretch // (shape[-1] * shape[-2]) % shape[1]
                assert (frame == frame[0]).all()
            channel = stretch // (len(order) // channels)
            assert len(channel.unique()) == channels


@pytest.mark.parametrize("count, length, expected", [
    (128, 64, [(0, 2, 64)]), (130, 64, [(0, 2, 64), (128, 1, 2)]), (63, 64, [(0, 1, 63)]), (1, 64, [(0, 1, 1)]),
])  # fmt: skip
def test_runs_cover_every_element_once(count, length, expected):
    assert runs(count, length) == expected
