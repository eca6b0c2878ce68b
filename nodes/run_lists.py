"""Nodes: lists of prompts or seeds. ComfyUI runs what hangs on a list once for each of its entries."""

from comfy_api.latest import io

from .inputs.sockets import CATEGORY

MAX_SEED = 0xFFFFFFFFFFFFFFFF


class PromptList(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_PromptList",
            display_name="Prompt List",
            category=CATEGORY,
            description="One prompt a line: everything connected to it runs once for each, and Rank Results collects "
            "what comes out.",
            search_aliases=["batch prompts", "multiple prompts", "for each", "lines"],
            inputs=[
                io.String.Input(
                    "prompts",
                    default="",
                    multiline=True,
                    tooltip="One prompt a line; empty lines do not count. Each runs by itself, with the noise "
                    "optimized for it: more lines take longer.",
                )
            ],
            outputs=[
                io.String.Output(
                    "prompt",
                    display_name="prompt",
                    tooltip="One after the other: for CLIP Text Encode, and the prompt of the Noise Optimizer.",
                    is_output_list=True,
                )
            ],
        )

    @classmethod
    def execute(cls, prompts) -> io.NodeOutput:
        lines = [line.strip() for line in prompts.splitlines() if line.strip()]
        if not lines:
            raise ValueError("Prompt List is empty: write one prompt a line.")
        return io.NodeOutput(lines)


class SeedList(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_SeedList",
            display_name="Seed List",
            category=CATEGORY,
            description="Seeds that follow one another: everything connected to it runs once for each, and Rank "
            "Results collects what comes out.",
            search_aliases=["batch seeds", "multiple seeds", "for each"],
            inputs=[
                io.Int.Input(
                    "first",
                    default=0,
                    min=0,
                    max=MAX_SEED,
                    control_after_generate=True,
                    tooltip="The first seed; the others follow it.",
                ),
                io.Int.Input(
                    "count",
                    default=4,
                    min=1,
                    max=256,
                    tooltip="How many seeds. More finds better ones and takes longer: each runs by itself; 4 to 16.",
                ),
            ],
            outputs=[
                io.Int.Output(
                    "seed",
                    display_name="seed",
                    tooltip="One after the other: for the noise_seed of RandomNoise.",
                    is_output_list=True,
                )
            ],
        )

    @classmethod
    def execute(cls, first, count) -> io.NodeOutput:
        return io.NodeOutput([(first + i) % (MAX_SEED + 1) for i in range(count)])
