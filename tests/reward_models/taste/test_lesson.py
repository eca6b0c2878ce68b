"""From pictures to embeddings: in the right order, each encoded once."""

import pytest
import torch

from reward_models import load_image_encoder
from reward_models.taste import EmbeddingStore, Picture, embedded_lesson, in_eight_bits
from reward_models.taste.broken_copies import GUARDS, WAYS
from reward_models.taste.views import embed_views, views
from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import pictures


@pytest.fixture(scope="module", params=[small.huggingface_clip, small.open_clip_file, small.siglip])
def encoder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    request.param(path)
    return load_image_encoder(path)


def several(count, seed):
    reads = []

    def picture(image):
        def read():
            reads.append(image)
            return in_eight_bits(image)

        return Picture.of(read)

    return [picture(image) for image in pictures(count, 40, 36, seed)], reads


def test_views_are_the_picture_its_mirror_image_and_two_crops():
    images = torch.rand(2, 3, 16, 24)
    whole, mirrored, left, right = views(images)
    assert torch.equal(whole, images) and torch.equal(mirrored, images.flip(3))
    assert torch.equal(left, images[:, :, :14, :21]) and torch.equal(right.flip(3), images[:, :, 2:, 3:])


@pytest.mark.parametrize("disliked", [0, 3])
def test_rows_are_the_embeddings_of_the_pictures_and_of_their_copies(encoder, disliked):
    (liked, _), (others, _) = several(2, 0), several(3, 1)
    lesson = embedded_lesson(encoder, "e", liked, others[:disliked], EmbeddingStore())
    ways = GUARDS if disliked else WAYS

    def expected(picture, change=lambda image: image):
        with torch.no_grad():
            return embed_views(encoder, change(picture.read().float() / 255)[None])[0]

    torch.testing.assert_close(lesson.liked, torch.stack([expected(p) for p in liked]))
    assert lesson.disliked.shape == (disliked, encoder.embedding_size)
    if disliked:
        torch.testing.assert_close(lesson.disliked, torch.stack([expected(p) for p in others]))
    torch.testing.assert_close(
        lesson.broken, torch.stack([expected(p, change) for p in liked for change in ways.values()])
    )
    assert lesson.source.tolist() == [0] * len(ways) + [1] * len(ways)


def test_a_picture_is_encoded_once_for_each_encoder(encoder, monkeypatch):
    liked, reads = several(2, 0)
    store, first = EmbeddingStore(), len(reads)
    lesson = embedded_lesson(encoder, "e", liked, [], store)
    assert len(reads) == first + 2
    calls = []
    embed = encoder.embed_images
    monkeypatch.setattr(encoder, "embed_images", lambda images: calls.append(1) or embed(images))
    again = embedded_lesson(encoder, "e", [*several(2, 0)[0]], [], store)
    assert torch.equal(again.liked, lesson.liked) and torch.equal(again.broken, lesson.broken) and calls == []
    embedded_lesson(encoder, "another", liked, [], store)
    assert calls


def test_the_store_is_bounded():
    store = EmbeddingStore(capacity=2)
    made = []
    for key in ("a", "b", "a", "c", "a", "b"):
        store.embedding((key,), lambda key=key: made.append(key) or torch.zeros(1, 2))
    assert made == ["a", "b", "c", "b"]


def test_pictures_that_are_all_alike_are_refused(encoder):
    same = torch.full((3, 40, 40), 0.5)
    alike = []
    for i in range(8):
        image = same.clone()
        image[0, 0, 0] += i / 255
        alike.append(Picture.of(lambda image=image: in_eight_bits(image)))
    with pytest.raises(ValueError, match="The 8 liked pictures look all alike"):
        embedded_lesson(encoder, "e", alike, [], EmbeddingStore())


def test_it_can_be_stopped(encoder):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded_lesson(encoder, "e", several(2, 0)[0], [], EmbeddingStore(), stop)
