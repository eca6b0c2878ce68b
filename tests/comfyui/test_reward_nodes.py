"""Small files of every kind of reward, loaded, mixed, scored and optimized in a running ComfyUI."""

import re

import pytest

from tests.reward_models import small_checkpoints as small
from tools.comfyui_server import PromptFailed, PromptRejected

from .demo_graph import node


@pytest.fixture(scope="module")
def models(server, tmp_path_factory):
    """Put the files where a user puts them."""
    folder = tmp_path_factory.mktemp("rewards")
    small.huggingface_clip(folder / "PickScore_v1.safetensors")
    small.huggingface_clip(folder / "clip.safetensors")
    small.open_clip_file(folder / "clip_for_head.pt")
    small.laion_head(folder / "laion_head.pth", small.OPEN_CLIP_CONFIG["embed_dim"])
    small.hps_file(folder / "HPS_v2.1_compressed.pt")
    small.image_reward(folder / "ImageReward.pt")
    small.cycle_reward(folder / "CycleReward-Combo.pth")
    small.huggingface_clip(folder / "ICT.safetensors")
    small.huggingface_clip(folder / "hp_backbone.safetensors", small.HP_CLIP_CONFIG)
    small.laion_head(folder / "hp_scorer.pth", 1024)
    small.aesthetic_v25_head(folder / "v25_head.pth")
    small.siglip(folder / "siglip.safetensors")
    (folder / "half.safetensors").write_bytes((folder / "clip.safetensors").read_bytes()[:5000])
    for file in folder.iterdir():
        server.add_model(file, "reward_models")
    return folder


REWARDS = {
    "pick": dict(file="PickScore_v1.safetensors"),
    "clip": dict(file="clip.safetensors"),
    "laion": dict(file="laion_head.pth", backbone="reward_models/clip_for_head.pt"),
    "hps": dict(file="HPS_v2.1_compressed.pt"),
    "image_reward": dict(file="ImageReward.pt"),
    "cycle": dict(file="CycleReward-Combo.pth"),
    "ict": dict(file="ICT.safetensors"),
    "hp": dict(file="hp_scorer.pth", backbone="reward_models/hp_backbone.safetensors"),
    "v25": dict(file="v25_head.pth", backbone="reward_models/siglip.safetensors"),
}


def loader(file, backbone="none", dtype="float32", kind="auto"):
    return node("GPER_RewardModelLoader", file=file, dtype=dtype, backbone=backbone, kind=kind, recompute=False)


def world(batch=2):
    """The demo world up to a decoded batch of start pictures."""
    return {
        "world": node("GPER_DemoWorld", scene="day"),
        "latent": node("EmptyLatentImage", width=64, height=64, batch_size=batch),
        "seed": node("RandomNoise", noise_seed=1),
        "guider": node("BasicGuider", model=["world", 0], conditioning=["world", 2]),
        "sigmas": node("BasicScheduler", model=["world", 0], scheduler="simple", steps=1, denoise=1.0),
        "euler": node("KSamplerSelect", sampler_name="euler"),
        "sample": node(
            "SamplerCustomAdvanced",
            noise=["seed", 0],
            guider=["guider", 0],
            sampler=["euler", 0],
            sigmas=["sigmas", 0],
            latent_image=["latent", 0],
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["world", 1]),
    }


def optimizer(reward, prompt="a house under the sun", **settings):
    settings = {"steps": 2, "learning_rate": 0.02, "time_budget": 0.0, "preview_every": 0, "memory": "auto", **settings}
    settings = {"patience": 0, "target_reward": 1000.0, **settings}
    return node(
        "GPER_NoiseOptimizer",
        noise=["seed", 0],
        guider=["guider", 0],
        sigmas=["sigmas", 0],
        latent_image=["latent", 0],
        vae=["world", 1],
        reward=reward,
        prompt=prompt,
        **settings,
    )


def mix(before, reward, weight=1.0, mode="equal pull", falls=0.0, steps=5):
    return node(
        "GPER_RewardMix", mix=before, reward=reward, weight=weight, mode=mode, stop_if_falls_by=falls, for_steps=steps
    )


def shown(server, prompt, key, seconds=300):
    """The text that a PreviewAny on output `key` shows."""
    prompt = {**prompt, "show": node("PreviewAny", source=key)}
    return server.run(prompt, seconds=seconds)["outputs"]["show"]["text"][0]


def test_every_kind_in_one_workflow(server, models):
    prompt = world()
    prompt |= {name: loader(**files) for name, files in REWARDS.items()}
    prompt["palette"] = node("GPER_ReferencePalette", reference=["decode", 0])
    prompt["similar"] = node(
        "GPER_ReferenceSimilarity", reference=["decode", 0], encoder="reward_models/siglip.safetensors"
    )
    prompt["words"] = node(
        "GPER_QualityWords", clip="reward_models/clip.safetensors", wanted="Warm photo.", unwanted="Cold photo."
    )
    prompt["palette"]["inputs"]["reference"] = ["one", 0]
    prompt["one"] = node("ImageFromBatch", image=["decode", 0], batch_index=0, length=1)
    prompt["sharp"] = node("GPER_PictureStatistics", statistic="sharpness", goal="more", target=0.5)
    chain = ["world", 3]
    names = [*REWARDS, "palette", "similar", "words", "sharp"]
    for i, name in enumerate(names):
        weight = 0.0 if name == "hps" else 1.0
        prompt[f"mix{i}"] = mix(chain, [name, 0], weight)
        chain = [f"mix{i}", 0]
    prompt["optimize"] = optimizer(chain)
    prompt["score"] = node("GPER_ScoreImages", images=["decode", 0], reward=chain, prompt="a house", keep=1)
    report = shown(server, prompt, ["optimize", 2])
    assert "all 2 steps done" in report
    own = ("demo taste", "colour palette", "image similarity", "words: Warm photo", "sharpness")
    for name in ("PickScore", "HPS", "ImageReward", "CycleReward", "ICT", "HP ", *own):
        assert name in report, report
    assert len(re.findall("[▁▂▃▄▅▆▇█]{3}", report)) == len(names) + 1


def test_regions_of_rewards_with_weights_in_one_workflow(server, models):
    """A reward of the whole, and two that look at parts, one of them through a smaller mask; masks of stock nodes."""
    prompt = world()
    prompt |= {name: loader(**REWARDS[name]) for name in ("pick", "image_reward")}
    prompt["none"] = node("SolidMask", value=0.0, width=64, height=64)
    prompt["square"] = node("SolidMask", value=1.0, width=24, height=24)
    prompt["sun"] = node("MaskComposite", destination=["none", 0], source=["square", 0], x=30, y=4, operation="add")
    prompt["all"] = node("SolidMask", value=1.0, width=8, height=8)
    prompt["at_sun"] = node("GPER_RewardRegion", reward=["pick", 0], mask=["sun", 0], margin=0.5, label="sun")
    prompt["at_all"] = node("GPER_RewardRegion", reward=["image_reward", 0], mask=["all", 0], margin=0.25, label="all")
    prompt["mix1"] = mix(["at_sun", 0], ["at_all", 0])
    prompt["mix2"] = mix(["mix1", 0], ["pick", 0])
    prompt["optimize"] = optimizer(["mix2", 0])
    for key, reward in (("region", "at_all"), ("whole", "image_reward")):
        prompt[key] = node("GPER_ScoreImages", images=["decode", 0], reward=[reward, 0], prompt="a house", keep=1)
        prompt[f"{key}_numbers"] = node("PreviewAny", source=[key, 3])
    prompt["report"] = node("PreviewAny", source=["optimize", 2])
    outputs = server.run(prompt, seconds=300)["outputs"]
    report = outputs["report"]["text"][0]
    for name in ("PickScore (sun)", "ImageReward (all)", "PickScore"):
        assert name in report, report
    assert outputs["region_numbers"]["text"] == outputs["whole_numbers"]["text"]


def test_scores_rank_and_pass_on(server, models):
    prompt = world(batch=3)
    prompt["sharp"] = node("GPER_PictureStatistics", statistic="sharpness", goal="more", target=0.5)
    prompt["mix"] = mix(["world", 3], ["sharp", 0], 0.0)
    prompt["score"] = node(
        "GPER_ScoreImages", images=["decode", 0], reward=["mix", 0], prompt="", keep=2, latent=["sample", 0]
    )
    prompt["again"] = node("VAEDecode", samples=["score", 1], vae=["world", 1])
    for key, source in (("best", ["score", 0]), ("best_again", ["again", 0]), ("all", ["decode", 0])):
        prompt[key] = node("SaveImage", images=source, filename_prefix=key)
    prompt["table"] = node("PreviewAny", source=["score", 2])
    prompt["numbers"] = node("PreviewAny", source=["score", 3])
    entry = server.run(prompt, seconds=300)
    rows = [line.split() for line in entry["outputs"]["table"]["text"][0].splitlines()[1:]]
    order = [int(row[1]) - 1 for row in rows]
    totals = [float(row[2]) for row in rows]
    assert totals == sorted(totals, reverse=True) and sorted(order) == [0, 1, 2]
    numbers = [float(text) for text in entry["outputs"]["numbers"]["text"]]
    assert [round(numbers[i], 4) for i in order] == totals
    every, best, again = (server.images(entry, key) for key in ("all", "best", "best_again"))
    assert [p.tobytes() for p in best] == [every[i].tobytes() for i in order[:2]]
    assert [p.tobytes() for p in again] == [p.tobytes() for p in best]


def test_a_watched_reward_ends_the_run(server, models):
    """The watched reward is the opposite of what is optimized, so it falls at once."""
    prompt = world()
    for name, goal in (("brighter", "more"), ("darker", "less")):
        prompt[name] = node("GPER_PictureStatistics", statistic="brightness", goal=goal, target=0.5)
    prompt["mix"] = mix(["brighter", 0], ["darker", 0], 0.0, falls=0.005, steps=2)
    prompt["optimize"] = optimizer(["mix", 0], steps=40, learning_rate=0.1)
    report = shown(server, prompt, ["optimize", 2])
    assert "which is watched, was more than 0.005 below its best" in report


def test_a_watched_reward_keeps_its_place_in_a_longer_chain(node_classes):
    """Two rewards of one name: the limit stays with the one that was to be watched."""
    statistics, mixer = node_classes["GPER_PictureStatistics"], node_classes["GPER_RewardMix"]

    def brightness(goal):
        return statistics.execute("brightness", goal)[0]

    inner = mixer.execute(brightness("more"), brightness("less"), weight=0.0, stop_if_falls_by=0.1)[0]
    outer = mixer.execute(brightness("less"), inner)[0]
    assert list(outer.limits) == [2] and outer.model.weights[2] == 0
    assert outer.model.rewards[2] is inner.model.rewards[1]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p.update(reward=loader("half.safetensors")), "half.safetensors"),
        (lambda p: p.update(reward=loader("siglip.safetensors")), "siglip.safetensors"),
        (lambda p: p.update(reward=loader("laion_head.pth")), "backbone"),
        (lambda p: p.update(reward=loader("laion_head.pth", "reward_models/v25_head.pth")), "head"),
        (lambda p: p.update(optimize=optimizer(["reward", 0], prompt=" ")), "fill in the Noise Optimizer's prompt"),
        (
            lambda p: p.update(
                nothing=node("SolidMask", value=0.0, width=64, height=64),
                region=node("GPER_RewardRegion", reward=["reward", 0], mask=["nothing", 0], margin=0.25, label=""),
                optimize=optimizer(["region", 0]),
            ),
            "The mask is empty",
        ),
        (
            lambda p: p.update(
                mixed=mix(["reward", 0], ["world", 3], 1.0, falls=0.1), optimize=optimizer(["mixed", 0])
            ),
            "only a watched reward",
        ),
    ],
)
def test_bad_wiring_is_one_clear_line(server, models, change, message):
    prompt = world()
    prompt["reward"] = loader("PickScore_v1.safetensors")
    prompt["optimize"] = optimizer(["reward", 0])
    change(prompt)
    with pytest.raises(PromptFailed) as failure:
        shown(server, prompt, ["optimize", 2])
    text = failure.value.details["exception_message"].strip()
    assert message in text and "\n" not in text


@pytest.mark.parametrize("name", ["../../secret.safetensors", "/etc/passwd", "absent.safetensors"])
def test_nothing_outside_the_model_folders_opens(server, models, name):
    prompt = world() | {"reward": loader(name)}
    prompt["optimize"] = optimizer(["reward", 0])
    with pytest.raises((PromptRejected, PromptFailed)):
        shown(server, prompt, ["optimize", 2])
