"""What the pack's workflows consist of."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

NOTE = ("#432", "#653")
OURS = ("#223", "#335")
MUTED = 2
TITLE = 30  # pixels: the height of a node's head, which its size does not count


@dataclass
class Node:
    """A node: `key` names it in links, `models` are the files that the frontend may offer to download.

    height: at least so high. mode: LiteGraph's, 0 runs, 2 is muted.
    """

    key: str
    type: str
    widgets: dict = field(default_factory=dict)
    height: int = 0
    title: str = ""
    models: list[dict] = field(default_factory=list)
    colour: tuple[str, str] | None = None
    mode: int = 0


@dataclass
class Column:
    """Nodes below one another, at least `width` wide; `top`: pixels left free above them, for wires that pass."""

    width: int
    nodes: list[Node]
    top: int = 0


@dataclass
class Workflow:
    """Columns from left to right, and links "key.output" -> "key.input"; scale of the canvas on opening.

    numbered: keys of nodes in the order of their numbers, by which batch commands and scripts name them, so that a node
    can move on the page; the others follow.
    """

    columns: list[Column]
    links: list[tuple[str, str]]
    scale: float = 0.7
    numbered: str = ""


@dataclass
class Blueprint:
    """A subgraph that ComfyUI offers as a node, made of columns and links as a workflow is; `id` is its node type.

    inputs: name -> the inner "key.input"s that it feeds; an input with a widget is a widget of the node.
    outputs: name -> the inner "key.output".
    """

    name: str
    description: str
    aliases: list[str]
    columns: list[Column]
    links: list[tuple[str, str]]
    inputs: dict[str, list[str]]
    outputs: dict[str, str]
    width: int = 400

    @property
    def id(self) -> str:
        return self.id_of("")

    def id_of(self, part: str) -> str:
        """The same each time: of the blueprint itself, "", or of an input or output."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"gper-noise-optimizer/subgraphs/{self.name}/{part}"))


def note(text: str, height: int, title: str = "Read me") -> Node:
    return Node("note", "MarkdownNote", {"text": text}, height, title, colour=NOTE)


def ours(key: str, type: str, widgets: dict | None = None, height: int = 0, title: str = "", **more) -> Node:
    """A node of this pack, in its colour; `type` without the prefix."""
    return Node(key, f"GPER_{type}", widgets or {}, height, title, colour=OURS, **more)


def seed(value: int = 1) -> Node:
    return Node("seed", "RandomNoise", {"noise_seed": value, "control_after_generate": "fixed"})


def schedule(steps: int = 1, denoise: float = 1.0) -> Node:
    return Node("schedule", "BasicScheduler", {"scheduler": "simple", "steps": steps, "denoise": denoise})


def euler() -> Node:
    return stock_sampler("euler")


def stock_sampler(name: str) -> Node:
    return Node("euler", "KSamplerSelect", {"sampler_name": name})


def sampler(key: str, title: str) -> Node:
    return Node(key, "SamplerCustomAdvanced", title=title)


def save(key: str, name: str, title: str, height: int = 420) -> Node:
    return Node(key, "SaveImage", {"filename_prefix": f"noise_optimizer/{name}"}, height, title)


def text(key: str, title: str, height: int = 200) -> Node:
    """Shows a text on the page."""
    return Node(key, "PreviewAny", {}, height, title)


def before_and_after(height: int = 480) -> Node:
    return ours("compare", "BeforeAndAfter", height=height)


def enlarge(key: str) -> Node:
    """For the demo world's pictures of 64 x 64 pixels."""
    return Node(key, "ImageScaleBy", {"upscale_method": "nearest-exact", "scale_by": 4.0})


def hub(repository: str, file: str, folder: str, name: str = "") -> dict:
    """A model file on huggingface.co: where from, and the folder and name that it gets."""
    return {
        "name": name or file,
        "url": f"https://huggingface.co/{repository}/resolve/main/{file}",
        "directory": folder,
    }


def optimizer_links(
    noise: str = "seed.NOISE",
    vae: str = "checkpoint.VAE",
    reward: str = "reward.reward",
    latent: str = "latent.LATENT",
    optimizer: str = "optimizer",
    sigmas: str = "schedule.SIGMAS",
) -> list[tuple[str, str]]:
    return [
        (noise, f"{optimizer}.noise"),
        ("guider.GUIDER", f"{optimizer}.guider"),
        (sigmas, f"{optimizer}.sigmas"),
        (latent, f"{optimizer}.latent_image"),
        (vae, f"{optimizer}.vae"),
        (reward, f"{optimizer}.reward"),
    ]


def sampling_links(
    name: str,
    noise: str,
    vae: str = "checkpoint.VAE",
    latent: str = "latent.LATENT",
    sigmas: str = "schedule.SIGMAS",
    enlarged: bool = False,
    sampler: str = "euler.SAMPLER",
) -> list[tuple[str, str]]:
    """From a noise through "sampler_NAME" and "decode_NAME", and if enlarged "enlarge_NAME", into "save_NAME"."""
    sampling = f"sampler_{name}"
    links = [
        (noise, f"{sampling}.noise"),
        ("guider.GUIDER", f"{sampling}.guider"),
        (sampler, f"{sampling}.sampler"),
        (sigmas, f"{sampling}.sigmas"),
        (latent, f"{sampling}.latent_image"),
        (f"{sampling}.output", f"decode_{name}.samples"),
        (vae, f"decode_{name}.vae"),
    ]
    if not enlarged:
        return [*links, (f"decode_{name}.IMAGE", f"save_{name}.images")]
    return [
        *links,
        (f"decode_{name}.IMAGE", f"enlarge_{name}.image"),
        (f"enlarge_{name}.IMAGE", f"save_{name}.images"),
    ]


def tilt_links(
    vae: str = "checkpoint.VAE", enlarged: bool = False, reward: str = "reward.reward"
) -> list[tuple[str, str]]:
    """The NoiseTilt Sampler "tilt", and the same noise sampled "plain" and "tilted"."""
    return [
        (vae, "tilt.vae"),
        (reward, "tilt.reward"),
        *sampling_links("plain", "seed.NOISE", vae, enlarged=enlarged),
        *sampling_links("tilted", "seed.NOISE", vae, enlarged=enlarged, sampler="tilt.sampler"),
    ]


def compared_links(vae: str = "checkpoint.VAE", latent: str = "latent.LATENT") -> list[tuple[str, str]]:
    """Sampling with the start noise and with the best one; "compare" shows both pictures, "save_best" keeps one."""
    return [
        *sampling_links("start", "seed.NOISE", vae, latent)[:-1],
        *sampling_links("best", "optimizer.noise", vae, latent),
        ("decode_start.IMAGE", "compare.before"),
        ("decode_best.IMAGE", "compare.after"),
    ]


def world_links() -> list[tuple[str, str]]:
    """The demo world into guider and schedule."""
    return [
        ("world.model", "guider.model"),
        ("world.conditioning", "guider.conditioning"),
        ("world.model", "schedule.model"),
    ]


def demo_world(
    batch: int = 1, first_seed: int = 7, scene: str = "day", sampling: str = "one step", size: int = 64
) -> list[Node]:
    """World, empty latent, seed: what every workflow on the demo world begins with. size: 64, 128 or 256 pixels."""
    return [
        ours("world", "DemoWorld", {"scene": scene, "sampling": sampling}),
        Node("latent", "EmptySD3LatentImage", {"width": size, "height": size, "batch_size": batch}),
        seed(first_seed),
    ]
