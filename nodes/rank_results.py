"""Node: the results of a list of runs, ranked."""

from comfy_api.latest import io

from .inputs.sockets import CATEGORY, RewardModel
from .noises.optimized_noise import OptimizedNoise
from .refusals.node_names import check_node
from .rewards.image_layout import to_channels_first
from .rewards.scoring import ranking, score_images_one_by_one, score_table

MAX_NAME = 60
NO_NOISES = "Rank Results passes noises on only when they come in: connect the Noise Optimizer to its noises."


class RankResults(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_RankResults",
            display_name="Rank Results",
            category=CATEGORY,
            description="Collects what a Prompt List or a Seed List made, scores every picture and puts the best "
            "first, with its noise.",
            search_aliases=["collect list", "rank", "sort images", "pick best", "leaderboard"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures of all runs, of any size."),
                RewardModel.Input(
                    "reward", tooltip="What to rank by. A Reward Mix gives a column for each of its rewards."
                ),
                io.Int.Input(
                    "keep",
                    default=1,
                    min=1,
                    max=4096,
                    tooltip="How many of the best to pass on. More: all, best first.",
                ),
                io.String.Input(
                    "prompts",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Connect the Prompt List: names the rows, and is what rewards that read text score "
                    "against. One text counts for all.",
                ),
                io.Noise.Input(
                    "noises", optional=True, tooltip="Connect the Noise Optimizer to have the best noises passed on."
                ),
            ],
            outputs=[
                io.Image.Output(
                    "best_images",
                    display_name="best images",
                    tooltip="The best pictures, best first.",
                    is_output_list=True,
                ),
                io.Noise.Output(
                    "best_noises",
                    display_name="best noises",
                    tooltip="Their noises, in the same order, for Save Noise.",
                    is_output_list=True,
                ),
                io.String.Output("table", display_name="table", tooltip="Every score of every picture, best first."),
            ],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, images, reward, keep, prompts=("",), noises=None) -> io.NodeOutput:
        check_node("Rank Results")
        import comfy_execution.graph

        reward, keep = reward[0], keep[0]
        pictures = [picture[None] for run in images for picture in run]
        run_of = [i for i, run in enumerate(images) for _ in run]
        scored = [picture for run in images for picture in to_channels_first(run)]
        if noises is not None and len(noises) < len(pictures) == len(images):
            noises = [*noises, *noises[-1:] * (len(pictures) - len(noises))]
        if noises is not None and len(pictures) != len(noises):
            raise ValueError(
                f"There are {len(pictures)} pictures but {len(noises)} noises: set the batch size to 1, so that each "
                "run makes one picture, or leave noises unconnected."
            )
        texts = _prompt_of_each(prompts, run_of, len(images), reward.model)
        places = [(i, len(run)) for run in images for i in range(len(run))]
        columns = score_images_one_by_one(reward, scored, texts if reward.model.needs_prompt else None, places)
        order = ranking(columns[reward.model.name])
        best = order[:keep].tolist()
        lines = [" ".join(text.split()) for text in texts]
        names = lines if len(prompts) > 1 else [f"seed {_seed(noise)}" for noise in noises or ()]
        rows = [name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..." for name in names]
        return io.NodeOutput(
            [pictures[i] for i in best],
            [comfy_execution.graph.ExecutionBlocker(NO_NOISES)] if noises is None else [noises[i] for i in best],
            score_table(order, columns, rows),
        )


def _seed(noise) -> str:
    """That of the noise itself where it was chosen from many seeds, else that of the noise it grew from."""
    chosen = noise.history.seeds_text() if isinstance(noise, OptimizedNoise) and not noise.history.variation else ""
    return chosen or str(noise.seed)


def _prompt_of_each(prompts: list[str], run_of: list[int], runs: int, reward) -> list[str]:
    """The text of each picture; the last one goes on, as ComfyUI has it. Raises ValueError when there are too many."""
    if len(prompts) > runs:
        raise ValueError(
            f"There are {runs} runs but {len(prompts)} prompts: connect the same Prompt List to Rank Results and to "
            "the rest of the workflow."
        )
    if reward.needs_prompt and not all(text.strip() for text in prompts):
        raise ValueError(f"{reward.name} scores a picture against a text: fill in the prompts of Rank Results.")
    return [prompts[min(run, len(prompts) - 1)] for run in run_of]
