"""The command line of `python run.py batch`, checked as far as no package and no ComfyUI is needed for it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from .collecting import check_saves_pictures
from .jobs import Job, expand
from .overrides import Override, find_overrides
from .prompts import Row, read_rows
from .workflow import Workflow, load_workflow, title

EXAMPLES = """examples:
  python run.py batch prompts.txt --workflow workflow_api.json --out night --seeds 4
  python run.py batch prompts.csv --workflow workflow_api.json --out night --set 6.text="a photo of {prompt}"
  python run.py batch --report night

The same command goes on where an earlier one ended, however it ended. Ctrl-C ends within one step and keeps what is
done; a second one ends at once. More in docs/batch.md.
"""


@dataclass(frozen=True)
class Request:
    """What is to be done: options as given, and what the files say."""

    options: argparse.Namespace
    rows: list[Row]
    workflow: Workflow
    overrides: list[Override]

    def jobs(self, versions: dict[str, str]) -> list[Job]:
        """As `jobs.expand`. versions: of pack and host."""
        return expand(self.workflow, self.overrides, self.rows, self.options.seeds, versions)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python run.py batch",
        description="Run every prompt with every seed through a workflow, on every GPU, and put the best on one page.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("prompts", type=Path, nargs="?", help="a text file with a prompt each line, or CSV or JSONL with columns")
    # fmt: off
    add("--workflow", type=Path, metavar="FILE", help="in API format: Workflow > Export (API) in ComfyUI")
    add("--out", type=Path, metavar="FOLDER", help="where results and page go")
    add("--seeds", type=int, default=1, metavar="N",
        help="for each prompt, counted up from the workflow's (default: 1)")
    add("--set", action="append", default=[], metavar="NODE.input=VALUE", dest="sets",
        help="set an input; {prompt}, {seed} and {column} stand for those of the job; NODE is a number or a title")
    add("--keep", type=int, metavar="N", help="pictures of each prompt on the page (default: 1)")
    add("--top", type=int, metavar="N", help="pictures on the contact sheet (default: 20)")
    add("--gpus", default="all", metavar="all|N", help="how many GPUs, a worker each (default: all)")
    add("--workers", type=int, metavar="N", help="as many workers on the processor, no GPU")
    add("--address", metavar="RAY_CLUSTER", help="a Ray cluster that runs, such as auto or 10.0.0.1:6379")
    add("--servers", nargs="+", metavar="URL", help="ComfyUIs that run already, a worker each")
    add("--step-limit", type=float, default=900, metavar="SECONDS",
        help="a ComfyUI that shows no progress for so long is started anew (default: 900)")
    add("--dry-run", action="store_true", help="show the jobs, check the workflow against ComfyUI, run nothing")
    add("--report", type=Path, metavar="FOLDER", help="make the page and the tables of a folder again, run nothing")
    # fmt: on
    return made


def read_request(arguments: list[str]) -> Request | None:
    """Parse and check; None for a `--report` alone.

    Raises:
        ValueError: something is wrong with the options or the files.
    """
    options = parser().parse_args(arguments)
    for name, least in (("seeds", 1), ("keep", 1), ("top", 1), ("workers", 1), ("step_limit", 1)):
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise ValueError(f"--{name.replace('_', '-')} {value:g}: give {least} or more")
    if options.gpus != "all" and not (options.gpus.isdecimal() and int(options.gpus) > 0):
        raise ValueError(f"--gpus {options.gpus}: give all or a number")
    if options.servers and (options.workers or options.address):
        raise ValueError("--servers drives ComfyUIs that run already: leave --workers and --address out")
    if options.report:
        if not (options.report / "batch.json").is_file():
            raise ValueError(f"{options.report} holds no batch: name the folder that --out named")
        return None
    for name in ("prompts", "workflow", "out"):
        if getattr(options, name) is None:
            raise ValueError(f"{'' if name == 'prompts' else '--'}{name} is missing; python run.py batch --help")
    if options.out.exists() and not options.out.is_dir():
        raise ValueError(f"--out {options.out} is a file: name a folder")
    rows = read_rows(options.prompts)
    workflow = load_workflow(options.workflow)
    check_saves_pictures(workflow)
    request = Request(options, rows, workflow, find_overrides(workflow, options.sets, rows))
    request.jobs({})  # a value of the wrong type is told now
    return request


def found_text(request: Request) -> str:
    """What each job sets, in lines of text."""
    width = max((len(override.slot.name) for override in request.overrides), default=0)
    return "\n".join(
        f"  {override.slot.name:{width}}  {title(request.workflow, override.slot.node)}: {override.template}"
        for override in request.overrides
    )
