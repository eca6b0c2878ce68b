"""Loader nodes of reward models, with the files that they need."""

from .parts import Node, hub, ours

LAION_HEAD = hub("camenduru/improved-aesthetic-predictor", "sac+logos+ava1-l14-linearMSE.pth", "reward_models")
CLIP_L14 = hub(
    "openai/clip-vit-large-patch14", "model.safetensors", "reward_models", "clip-vit-large-patch14.safetensors"
)
PICKSCORE = hub("yuvalkirstain/PickScore_v1", "model.safetensors", "reward_models", "PickScore_v1.safetensors")
HPS = hub("xswu/HPSv2", "HPS_v2.1_compressed.pt", "reward_models")


def aesthetic(key: str = "reward") -> Node:
    widgets = {"file": LAION_HEAD["name"], "dtype": "auto", "backbone": f"reward_models/{CLIP_L14['name']}"}
    return ours(key, "RewardModelLoader", widgets, title="LAION Aesthetic", models=[LAION_HEAD, CLIP_L14])


def pickscore(key: str = "pick") -> Node:
    return ours(key, "RewardModelLoader", {"file": PICKSCORE["name"]}, title="PickScore", models=[PICKSCORE])


def hps(key: str = "hps") -> Node:
    return ours(key, "RewardModelLoader", {"file": HPS["name"]}, title="HPS v2.1", models=[HPS])
