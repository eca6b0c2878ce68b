"""Which pictures count, and how they are broken."""

import pytest
import torch

from reward_models.taste import Picture, check_numbers, different, in_eight_bits, without
from reward_models.taste.broken_copies import FEW, GUARDS, WAYS, as_seen, ways_to_break
from tests.reward_models.parity import pictures


def picture_of(image):
    pixels = in_eight_bits(image)
    return Picture.of(lambda: pixels)


def many(count, seed=0):
    return [picture_of(image) for image in pictures(count, 8, 8, seed)]


def test_pictures_are_known_by_their_pixels():
    image = pictures(1)[0]
    as_saved_and_read_again = in_eight_bits(image).float() / 255
    assert picture_of(image).digest == picture_of(as_saved_and_read_again).digest
    changed = in_eight_bits(image)
    changed[0, 0, 0] ^= 1
    assert picture_of(image).digest != Picture.of(lambda: changed).digest
    flat = torch.zeros(3, 2, 8)
    assert picture_of(flat).digest != picture_of(flat.reshape(3, 4, 4)).digest


def test_each_counts_once_and_liked_ones_are_not_disliked():
    first, second, third = many(3)
    again = Picture(first.digest, first.read)
    assert different([first, second, again]) == [first, second]
    assert without([first, second, third], [again]) == [second, third]


@pytest.mark.parametrize(
    "liked, disliked, given, message",
    [
        (0, 0, 0, "no liked picture: connect"),
        (1, 0, 0, "1 different liked picture, and fewer than 8"),
        (7, 30, 30, "7 different liked pictures, and fewer than 8"),
        (8, 7, 9, "7 different disliked pictures"),
        (8, 0, 8, "0 different disliked pictures"),
        (1001, 0, 0, "1001 liked pictures, more than 1000"),
        (8, 1001, 1001, "1001 disliked pictures, more than 1000"),
    ],
)
def test_too_few_or_too_many_pictures_are_refused_in_one_line(liked, disliked, given, message):
    pool = [Picture(str(i), lambda: None) for i in range(liked + disliked)]
    with pytest.raises(ValueError, match=message) as error:
        check_numbers(pool[:liked], pool[liked:], given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("disliked", [0, 8, 1000])
def test_eight_pictures_are_enough(disliked):
    check_numbers(many(8), [Picture(str(i), lambda: None) for i in range(disliked)], disliked)


@pytest.mark.parametrize("size", [(64, 64), (40, 70), (9, 5), (3, 3)])
@pytest.mark.parametrize("name", WAYS)
def test_a_broken_copy_is_another_picture_of_its_size(name, size):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    broken = WAYS[name](image)
    assert broken.shape[0] == 3 and abs(broken.shape[1] - size[0]) < 4 and abs(broken.shape[2] - size[1]) < 4
    assert broken.shape != image.shape or (broken - image).abs().mean() > 0.03
    assert broken.min() >= -1e-6 and broken.max() <= 1 + 1e-6
    assert torch.equal(broken, WAYS[name](image))


def test_what_the_broken_copies_lack():
    image = pictures(1, 64, 64)[0]
    fine = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))

    def steps(picture):
        return (picture[..., 1:] - picture[..., :-1]).abs().mean()

    assert steps(WAYS["blurred"](fine)) < 0.1 * steps(fine)
    assert WAYS["washed out"](image).std() < 0.35 * image.std()
    assert steps(WAYS["noisy"](image)) > 3 * steps(image)
    assert ((WAYS["harsh"](image) == 0) | (WAYS["harsh"](image) == 1)).float().mean() > 0.3
    torch.testing.assert_close(WAYS["recoloured"](image).mean(0), image.mean(0))
    shuffled = WAYS["shuffled"](image)
    torch.testing.assert_close(shuffled.flatten(1).sort().values, image.flatten(1).sort().values)


def test_how_many_copies():
    assert ways_to_break(3, FEW, WAYS) == WAYS
    names = [name for i in range(FEW + 1) for name in ways_to_break(i, FEW + 1, GUARDS)]
    assert len(names) == FEW + 1 and set(names) == set(GUARDS)


def test_a_picture_is_shrunk_to_what_the_encoder_sees_and_never_enlarged():
    assert as_seen(torch.rand(3, 640, 1280), 224).shape == (3, 256, 512)
    image = torch.rand(3, 64, 48)
    assert torch.equal(as_seen(image, 224), image)
