"""Node: two pictures of the same thing, and a slider between them."""

import secrets

from comfy_api.latest import io, ui

from .inputs.sockets import CATEGORY


class BeforeAndAfter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_BeforeAndAfter",
            display_name="Before and After",
            category=CATEGORY,
            description="Shows the pictures before and after in one place, with a slider between them. Works with both "
            "renderers of the page; ComfyUI's own Compare Images draws nothing in the classic one.",
            search_aliases=["compare images", "image comparer", "side by side", "slider", "difference"],
            inputs=[
                io.Image.Input("before", tooltip="The pictures as they were. One counts for all of after."),
                io.Image.Input("after", tooltip="The pictures as they are now, in the same order."),
            ],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, before, after) -> io.NodeOutput:
        if len(before) != len(after) and len(before) != 1:
            raise ValueError(
                f"There are {len(before)} pictures before and {len(after)} after: connect the same batch before and "
                "after, or one picture as before."
            )
        run = secrets.token_hex(4)  # never a name that a page may still show from another run
        shown = {
            f"gper_{side}": ui.ImageSaveHelper.save_images(images, f"gper.{side}.{run}", io.FolderType.temp, None, 1)
            for side, images in (("before", before), ("after", after))
        }
        return io.NodeOutput(ui=shown)
