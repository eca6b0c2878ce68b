"""What the decoder is trained on at larger sizes: windows of latents with the pictures that belong to them."""

import pytest
import torch

from demo_world.train.sizes import MARGIN, WINDOW, window


def picture_like(latent):
    """(B, 1, 64k, 64k) whose pixels say in which latent pixel they lie."""
    return latent[:, :1].repeat_interleave(8, 2).repeat_interleave(8, 3)


@pytest.mark.parametrize("side", [8, 16, 32])
def test_a_window_shows_the_same_part_of_everything(side):
    latent = torch.arange(float(side * side)).reshape(1, 1, side, side).expand(2, 16, -1, -1)
    picture = picture_like(latent).expand(-1, 3, -1, -1)
    places = set()
    for seed in range(8):
        cut, shown, kept, detail = window(latent, picture, picture[:, 0], torch.Generator().manual_seed(seed))
        assert cut.shape == (2, 16, min(side, WINDOW), min(side, WINDOW))
        assert torch.equal(picture_like(cut)[:, 0], shown[:, 0]) and torch.equal(shown[:, 2], detail)
        rows, columns = cut[0, 0, :, 0] // side, cut[0, 0, 0] % side
        places.add((rows[0].item(), columns[0].item()))
        for row in range(len(rows)):
            for column in range(len(columns)):
                cuts = [
                    rows[0] > 0 and row < MARGIN,
                    columns[0] > 0 and column < MARGIN,
                    rows[-1] < side - 1 and row >= len(rows) - MARGIN,
                    columns[-1] < side - 1 and column >= len(columns) - MARGIN,
                ]
                part = kept[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                assert (part == (0 if any(cuts) else 1)).all()
    assert len(places) > (3 if side > WINDOW else 0)
