"""Node: score pictures, rank them, pass the best on."""

from comfy_api.latest import io
from torch import Tensor

from ..runs.seed_equivalent import FEWEST
from .inputs.sockets import CATEGORY, RewardModel
from .refusals.node_names import check_node
from .refusals.optimizer_inputs import check_prompt
from .rewards.image_layout import to_channels_first
from .rewards.reward_handle import RewardHandle
from .rewards.scoring import ranking, score_images_one_by_one, score_table

NO_LATENT = "Score Images passes latents on only when they come in: connect the pictures' latent to it."


class ScoreImages(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_ScoreImages",
            display_name="Score Images",
            category=CATEGORY,
            description="Scores every picture of a batch with one reward or a mix, ranks them, and passes the best on, "
            "with their latents.",
            search_aliases=["pick best", "rank images", "best of n", "aesthetic score", "image score", "select"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures, of any size; all of them are scored."),
                RewardModel.Input(
                    "reward", tooltip="What to score. A Reward Mix gives a column for each of its rewards."
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="For rewards that read text: one prompt for all pictures, line breaks and all, as in the "
                    "Noise Optimizer. Many prompts: Prompt List and Rank Results.",
                ),
                io.Int.Input(
                    "keep",
                    default=1,
                    min=1,
                    max=4096,
                    tooltip="How many of the best pictures to pass on. More than there are: all, best first.",
                ),
                io.Latent.Input("latent", optional=True, tooltip="The pictures' latents; the same ones are passed on."),
                io.Image.Input(
                    "plain_images",
                    optional=True,
                    tooltip="Pictures of plain seeds, same model, prompt and size: the table then tells every score as "
                    "'as good as the best of N seeds'. They are not ranked. At least 8; more make it surer: 16 to 64.",
                ),
            ],
            outputs=[
                io.Image.Output("best_images", display_name="best images", tooltip="The best pictures, best first."),
                io.Latent.Output(
                    "best_latent", display_name="best latent", tooltip="Their latents, in the same order."
                ),
                io.String.Output("table", display_name="table", tooltip="Every score of every picture, best first."),
                io.Float.Output(
                    "scores",
                    display_name="scores",
                    tooltip="One number per picture, in the given order.",
                    is_output_list=True,
                ),
            ],
        )

    @classmethod
    def execute(cls, images, reward, prompt="", keep=1, latent=None, plain_images=None) -> io.NodeOutput:
        check_node("Score Images")
        import comfy_execution.graph

        pictures = to_channels_first(images)
        if latent is not None and latent["samples"].shape[0] != len(pictures):
            raise ValueError(
                f"There are {len(pictures)} pictures but {latent['samples'].shape[0]} latents: connect the latents "
                "that these pictures were decoded from."
            )
        text = check_prompt(prompt, reward.model, "the prompt of Score Images")
        columns, plain = _scored(reward, pictures, text, plain_images)
        total = columns[reward.model.name]
        order = ranking(total)
        best = order[:keep]
        chosen = comfy_execution.graph.ExecutionBlocker(NO_LATENT) if latent is None else _chosen(latent, best)
        return io.NodeOutput(images[best], chosen, score_table(order, columns, plain=plain), total.tolist())


def _scored(
    reward: RewardHandle, pictures: Tensor, text: str | None, plain_images: Tensor | None
) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
    """The scores of the pictures by name and, where they come in, those of plain seeds, in the same units."""
    if plain_images is None:
        return score_images_one_by_one(reward, pictures, text), None
    plain, count = to_channels_first(plain_images), len(pictures)
    if len(plain) < FEWEST:
        raise ValueError(
            f"plain_images holds {len(plain)} picture(s), too few to tell how rare a score is: give it at least "
            f"{FEWEST}, with a larger batch size in the empty latent, or leave it unconnected."
        )
    places = [(i, len(batch)) for batch in (pictures, plain) for i in range(len(batch))]
    columns = score_images_one_by_one(reward, [*pictures, *plain], text, places, slice(count, None))
    return {n: column[:count] for n, column in columns.items()}, {n: column[count:] for n, column in columns.items()}


def _chosen(latent: dict, best: Tensor) -> dict:
    samples, mask = latent["samples"], latent.get("noise_mask")
    counted = latent.get("batch_index", range(len(samples)))  # by it a noise knows the pictures that it was made for
    chosen = {**latent, "samples": samples[best], "batch_index": [counted[i] for i in best.tolist()]}
    if mask is not None and len(mask) > 1:
        chosen["noise_mask"] = mask[best % len(mask)]  # fewer masks than pictures go round, as in the stock nodes
    return chosen
