"""Node: the pictures of a batch that one likes, clicked on the page."""

import secrets

from comfy_api.latest import io, ui

from .inputs.picks import marks_of, picked_from
from .inputs.sockets import CATEGORY
from .refusals.node_names import check_node

NO_REST = "Every picture is picked, so Pick Images has no rest: leave some out, or disconnect rest."


class PickImages(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="GPER_PickImages",
            display_name="Pick Images",
            category=CATEGORY,
            description="Shows a batch of pictures on the node: click those that you like, and run again. They leave "
            "by one output and the rest by the other. The choice is saved with the workflow.",
            search_aliases=["choose images", "select images", "image picker", "favourites", "like", "curate"],
            inputs=[
                io.Image.Input("images", tooltip="The pictures to choose from, of any size."),
                io.String.Input(
                    "picked",
                    default="",
                    socketless=True,
                    tooltip="The numbers of the picked pictures, such as 1, 4, 7. Clicks on the page write it, with a "
                    "mark of each picture: a pick counts only while its picture is the same.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "liked", display_name="liked", tooltip="The picked pictures. None yet: what follows waits."
                ),
                io.Image.Output("rest", display_name="rest", tooltip="The other pictures, in their order."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images, picked="") -> io.NodeOutput:
        check_node("Pick Images")
        from comfy_execution.graph import ExecutionBlocker

        if len(images) == 0:
            raise ValueError("There is no picture to pick from: check the node that makes them.")
        marks = marks_of(images)
        chosen = picked_from(picked, marks)
        rest = [i for i in range(len(images)) if i not in chosen]
        name = f"gper.pick.{secrets.token_hex(4)}"  # never one that a page may still show from another run
        shown = {
            "gper_pictures": ui.ImageSaveHelper.save_images(images, name, io.FolderType.temp, None, 1),
            "gper_marks": [chosen.get(i, mark) for i, mark in enumerate(marks)],
        }
        return io.NodeOutput(
            images[list(chosen)] if chosen else ExecutionBlocker(None),
            images[rest] if rest else ExecutionBlocker(NO_REST),
            ui=shown,
        )
