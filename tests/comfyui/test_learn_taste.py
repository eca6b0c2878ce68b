"""Learn Taste called as ComfyUI calls it: pictures in, a reward and a file out, and what does not fit is refused."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.reward_models import small_checkpoints as small
from tests.reward_models.parity import pictures

from .hostile_names import OUTSIDE, STRANGE

CLIP = "reward_models/clip.safetensors"


@pytest.fixture(scope="module")
def folders(host):
    """models/reward_models with two encoders; folders of liked and disliked pictures, and one outside the input."""
    models = host / "models" / "reward_models"
    small.huggingface_clip(models / "clip.safetensors")
    small.siglip(models / "siglip.safetensors")
    (host / "input").mkdir(exist_ok=True)
    made = []
    for name, images in (("liked", batch(10, red=True)), ("disliked", batch(10)), ("../secret", batch(10))):
        made.append(host / "input" / name)
        made[-1].mkdir()
        for i, image in enumerate(images):
            Image.fromarray(np.uint8(255 * image.numpy() + 0.5)).save(made[-1] / f"{i:02}.png")
    (host / "input" / "liked" / "notes.txt").write_text("no picture")
    yield host
    for folder in (models, *made):
        for file in folder.iterdir():
            file.unlink()
    for folder in made:
        folder.rmdir()


@pytest.fixture
def learn(node_classes, folders):
    def run(encoder=CLIP, **inputs):
        with torch.inference_mode():
            return node_classes["GPER_LearnTaste"].PREPARE_CLASS_CLONE(None).execute(encoder, **inputs).args

    return run


def batch(count, red=False, seed=0):
    """IMAGE (count, 40, 48, 3) of eight bits, red ones or not."""
    images = pictures(count, 40, 48, seed + red).movedim(1, -1)
    images = images * torch.tensor([1.0, 0.2, 0.2] if red else [0.5, 0.8, 0.8])
    return (255 * images).round() / 255


def scores(node_classes, reward, images):
    return node_classes["GPER_ScoreImages"].execute(images, reward).args[3]


def test_from_a_batch_to_a_reward_that_knows_unseen_pictures(learn, node_classes):
    reward, report = learn(liked=batch(12, red=True), disliked=batch(12))
    liked = scores(node_classes, reward, batch(10, red=True, seed=50))
    others = scores(node_classes, reward, batch(10, seed=50))
    assert min(liked) > max(others)
    assert "12 liked pictures and 12 disliked ones" in report and CLIP in report and "chance: 50%" in report


def test_folders_and_batches_teach_the_same(learn, node_classes):
    unseen = batch(4, red=True, seed=9)
    folder, report = learn(liked_folder="liked", disliked_folder="disliked")
    wire, again = learn(liked=batch(10, red=True), disliked=batch(10))
    both, _ = learn(liked=batch(10, red=True), liked_folder="liked", disliked_folder="disliked")
    assert report == again
    assert scores(node_classes, folder, unseen) == scores(node_classes, wire, unseen)
    assert scores(node_classes, folder, unseen) == scores(node_classes, both, unseen)


def test_the_batch_that_was_chosen_from_may_be_the_disliked_one(learn):
    pool = torch.cat([batch(10, red=True), batch(10)])
    assert "10 liked pictures and 10 disliked ones" in learn(liked=pool[:10], disliked=pool)[1]


def test_the_kept_taste_is_listed_and_scores_alike(learn, node_classes, folders):
    loader, unseen = node_classes["GPER_RewardModelLoader"], batch(4, red=True, seed=9)
    reward, report = learn(liked_folder="liked", save_as=" red things ", caution=0.5)
    assert "red things.safetensors" in loader.define_schema().inputs[0].options
    loaded = loader.execute("red things.safetensors", "float32", CLIP)[0]
    assert loaded.model.name == reward.model.name == "red things"
    assert scores(node_classes, loaded, unseen) == pytest.approx(scores(node_classes, reward, unseen), abs=1e-5)
    assert "Without disliked pictures" in report
    with pytest.raises(ValueError, match="learned with another image encoder, reward_models/clip.safetensors"):
        loader.execute("red things.safetensors", "float32", "reward_models/siglip.safetensors")
    assert node_classes["GPER_LearnTaste"].validate_inputs(save_as="red things") is True
    again, _ = learn(liked=batch(9, red=True, seed=70), save_as="red things")
    loaded = loader.execute("red things.safetensors", "float32", CLIP)[0]
    assert scores(node_classes, loaded, unseen) == pytest.approx(scores(node_classes, again, unseen), abs=1e-5)


def test_the_optimizer_climbs_it(learn, optimize):
    reward, _ = learn(liked=batch(10, red=True), disliked=batch(10))
    result = optimize(reward=reward, steps=4)
    history = torch.tensor(result.ui["reward_history"])
    assert (history.amax(0) > history[0]).all()
    assert "taste" in result.args[2]


def test_the_demo_world_has_an_encoder_of_its_own(learn, node_classes, folders):
    reward, report = learn("demo world", liked=batch(10, red=True), disliked=batch(10), save_as="demo")
    assert "demo world" in report
    loaded = node_classes["GPER_RewardModelLoader"].execute("demo.safetensors", "float32", "demo world")[0]
    unseen = batch(3, seed=4)
    assert scores(node_classes, loaded, unseen) == pytest.approx(scores(node_classes, reward, unseen), abs=1e-4)


def test_pictures_are_encoded_once(learn, monkeypatch):
    from gper_pack.reward_models.clip_huggingface import HuggingFaceClip

    calls = []
    embed = HuggingFaceClip.embed_images
    monkeypatch.setattr(HuggingFaceClip, "embed_images", lambda self, images: calls.append(1) or embed(self, images))
    first = learn(liked=batch(10, red=True, seed=30))[1]
    encoded = len(calls)
    assert encoded and learn(liked=batch(10, red=True, seed=30))[1] == first and len(calls) == encoded


def test_a_new_picture_in_the_folder_is_noticed(node_classes, folders):
    def fingerprint():
        return node_classes["GPER_LearnTaste"].fingerprint_inputs(CLIP, liked_folder="liked", caution=1.0)

    before, file = fingerprint(), folders / "input" / "liked" / "new.webp"
    assert fingerprint() == before
    Image.new("RGB", (40, 40), "red").save(file)
    try:
        assert fingerprint() != before
    finally:
        file.unlink()


LIKED = dict(liked=batch(10, red=True))
REFUSED = {
    "nothing": (dict(), "no liked picture: connect"),
    "few": (dict(liked=batch(7, red=True)), "7 different liked pictures, and fewer than 8"),
    "one and the same": (dict(liked=batch(1).repeat(12, 1, 1, 1)), "1 different liked picture, "),
    "few disliked": (dict(**LIKED, disliked=batch(3)), "3 different disliked pictures"),
    "disliked are liked": (dict(**LIKED, disliked=batch(10, red=True)), "0 different disliked pictures"),
    "no folder": (dict(liked_folder="absent"), "no folder absent in"),
    "disliked folder": (dict(**LIKED, disliked_folder="absent"), "disliked_folder: there is no folder absent"),
    "alpha": (dict(liked=torch.rand(9, 32, 32, 4)), "4 channel"),
    "no encoder": (dict(**LIKED, encoder="(no file in models/clip_vision)"), "no CLIP or SigLIP yet"),
    "a taste as encoder": (dict(**LIKED, encoder="reward_models/gone.safetensors"), "not in models/reward_models"),
    "save_as": (dict(**LIKED, save_as="a/b"), "give a plain name"),
    "taken": (dict(**LIKED, save_as="clip"), "clip.safetensors in models/reward_models is no taste, and stays"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_one_clear_line_before_anything_is_loaded(learn, monkeypatch, name):
    from gper_pack.nodes import learn_taste

    monkeypatch.setattr(learn_taste, "load_image_encoder", None)
    inputs, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as error:
        learn(**inputs)
    assert str(error.value).isprintable()


def test_a_file_that_is_no_encoder_is_refused_before_it_is_loaded(learn, folders):
    small.laion_head(folders / "models" / "reward_models" / "laion.pth")
    with pytest.raises(ValueError, match="laion.pth holds no CLIP or SigLIP image encoder"):
        learn("reward_models/laion.pth", **LIKED)


@pytest.mark.parametrize("spoil", ["text", "half"])
def test_a_damaged_picture_is_named(learn, folders, spoil):
    file = folders / "input" / "liked" / "spoilt.png"
    whole = (folders / "input" / "liked" / "00.png").read_bytes()
    file.write_bytes(b"no picture" if spoil == "text" else whole[: len(whole) // 2])
    try:
        with pytest.raises(ValueError, match="spoilt.png in liked cannot be read as a picture"):
            learn(liked_folder="liked")
    finally:
        file.unlink()


FOLDERS = [*OUTSIDE, *STRANGE, "\0", "a\nb", "\ud800", "x/" * 3000]


@pytest.mark.parametrize(
    "name", [name for name in FOLDERS if os.path.normpath(f"/x/{name.strip()}") != "/x"], ids=ascii
)
def test_no_folder_outside_the_input_is_read(node_classes, folders, learn, name):
    """One with pictures is where the names lead; inside the input there is none of such a name."""
    said = node_classes["GPER_LearnTaste"].validate_inputs(liked_folder=name)
    assert said is not True and said.isprintable() and len(said) < 500
    if name == "../secret":
        assert len(list((folders / "input" / name).iterdir())) == 10 and "leads outside" in said
    with pytest.raises(ValueError) as error:
        learn(liked_folder=name)
    assert str(error.value) == said


@pytest.mark.parametrize("name", [*OUTSIDE, *STRANGE, "\0", "a\nb", "\ud800", "x" * 250], ids=ascii)
def test_a_taste_is_written_nowhere_else(node_classes, folders, learn, name):
    before = sorted(folders.rglob("*"))
    models = folders / "models" / "reward_models"
    said = node_classes["GPER_LearnTaste"].validate_inputs(save_as=name)
    if said is True:
        learn(**LIKED, save_as=name)
        added = [path for path in sorted(folders.rglob("*")) if path not in before]
        assert added == ([models / f"{name.strip()}.safetensors"] if name.strip() else [])
        for path in added:
            path.unlink()
        return
    assert said.isprintable() and len(said) < 400
    with pytest.raises(ValueError):
        learn(**LIKED, save_as=name)
    assert sorted(folders.rglob("*")) == before


def test_a_link_under_the_name_is_not_written_through(folders, learn, tmp_path):
    link = folders / "models" / "reward_models" / "linked.safetensors"
    (tmp_path / "old").write_bytes(b"old")
    link.symlink_to(tmp_path / "old")
    try:
        with pytest.raises(ValueError, match="is no taste, and stays"):
            learn(**LIKED, save_as="linked")
        assert (tmp_path / "old").read_bytes() == b"old"
    finally:
        link.unlink()


def test_encoders_that_differ_in_the_file_beside_them_alone(learn, folders):
    """What it says changes what the encoder gives: nothing is remembered over it."""
    pictures = dict(liked=batch(10, red=True, seed=31), disliked=batch(10, seed=32))
    beside = (folders / "models" / CLIP).with_suffix(".json")
    said = beside.read_text()
    first = learn(**pictures)[0].model.head.centre
    other = said.replace('"quick_gelu"', '"gelu"') if '"quick_gelu"' in said else said.replace('"gelu"', '"quick_gelu"')
    assert other != said
    beside.write_text(other)
    try:
        assert not torch.equal(learn(**pictures)[0].model.head.centre, first)
    finally:
        beside.write_text(said)


def test_sixteen_bits_of_grey_are_not_clipped(pack, tmp_path):
    from gper_pack.nodes.rewards.picture_folders import _pixels

    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    expected = torch.from_numpy((ramp >> 8).astype(np.uint8))
    assert torch.equal(_pixels(str(tmp_path / "ramp.png")), expected.expand(3, 8, 8))


def test_a_folder_of_far_too_many_is_refused_unread(learn, folders):
    folder = folders / "input" / "heap"
    folder.mkdir()
    for i in range(2001):
        (folder / f"{i}.png").touch()
    try:
        with pytest.raises(ValueError, match="heap holds 2001 pictures; 1000 are enough"):
            learn(liked_folder="heap")
    finally:
        shutil.rmtree(folder)


def test_a_full_disk_is_told_in_words(learn):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be kept as .*leave save_as empty"):
            learn(**LIKED, save_as="too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
