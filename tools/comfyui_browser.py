"""The real ComfyUI frontend in a headless Chromium.

with ComfyServer(comfyui, settings=QUIET_FRONTEND) as server, open_frontend(server.url) as frontend:
    frontend.load_workflow(json.loads(path.read_text()))
    prompt = frontend.api_prompt()
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

# User settings that keep greetings and reminders off the page; give them to ComfyServer.
QUIET_FRONTEND: dict[str, Any] = {
    "Comfy.TutorialCompleted": True,
    "Comfy.VersionCompatibility.DisableWarnings": True,
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Minimap.Visible": False,
}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_MILLISECONDS = 180_000

# Types of all nodes of a workflow, those inside its subgraphs too, that the page does not know.
MISSING_TYPES = """workflow => {
    const subgraphs = workflow.definitions?.subgraphs ?? [];
    const own = new Set(subgraphs.map(subgraph => subgraph.id));
    const types = [workflow, ...subgraphs].flatMap(graph => graph.nodes.map(node => node.type));
    const known = type => own.has(type) || type in window.LiteGraph.registered_node_types;
    return [...new Set(types)].filter(type => !known(type)).sort();
}"""

# Queue and return why the server refused, null if it did not. Older frontends answer false in both cases but
# leave an empty object of errors when all went well.
QUEUE = """async () => {
    const accepted = await window.app.queuePrompt(0, 1);
    const errors = window.app.lastNodeErrors;
    const none = accepted || (errors && Object.keys(errors).length === 0);
    return none ? null : JSON.stringify(errors);
}"""


def find_chromium() -> str | None:
    """Return the path of a Chromium: CHROMIUM_PATH, else one on the PATH, else None."""
    named = os.environ.get("CHROMIUM_PATH")
    return named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


class Frontend:
    """The page of a running server, its app ready. `page` is the Playwright page; `errors` what it threw."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, url: str) -> None:
        """Go to the frontend and wait until it takes workflows."""
        self.page.goto(url)
        self._wait_until_ready()

    def reload(self) -> None:
        """Reload the page as a user does, who keeps the workflow that was shown."""
        self.page.reload()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        self.page.wait_for_function(
            "() => window.app?.vueAppReady && window.app.graph && window.app.extensionManager"
            " && 'KSampler' in (window.LiteGraph?.registered_node_types ?? {})",
            timeout=START_MILLISECONDS,
        )
        # The spinner goes once the extensions are set up and the first graph is on the canvas.
        self.page.wait_for_function("() => !window.app.extensionManager.spinner", timeout=START_MILLISECONDS)

    def load_workflow(self, workflow: dict[str, Any], name: str | None = None) -> None:
        """Show a saved workflow in place of the present one; `name` is what its tab says."""
        self.page.evaluate(
            "([workflow, name]) => window.app.loadGraphData(workflow, true, true, name)", [workflow, name]
        )

    def use_nodes_2(self, enabled: bool) -> None:
        """Choose the renderer: Nodes 2.0 (Vue) or the classic canvas. Load the workflow afterwards."""
        self.page.evaluate(
            "enabled => window.app.extensionManager.setting.set('Comfy.VueNodes.Enabled', enabled)", enabled
        )

    def missing_node_types(self, workflow: dict[str, Any]) -> list[str]:
        """Return the node types of a saved workflow that the frontend does not know, sorted."""
        return self.page.evaluate(MISSING_TYPES, workflow)

    def api_prompt(self) -> dict[str, Any]:
        """Convert the shown workflow to an API prompt, as the frontend does before it queues one."""
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")

    def saved_workflow(self) -> dict[str, Any]:
        """Return the shown workflow as the frontend would save it."""
        return self.page.evaluate("() => window.app.graph.serialize()")

    def run(self, seconds: float = 600) -> dict[str, Any]:
        """Queue the shown workflow as its Run button does; wait and return its history entry.

        Raises:
            ValueError: the server refused the workflow; the text holds its reasons.
            TimeoutError: it was not done within `seconds`.
        """
        before = set(self.page.evaluate("async () => Object.keys(await (await fetch('/history')).json())"))
        refusal = self.page.evaluate(QUEUE)
        if refusal is not None:
            raise ValueError(refusal)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            entries = self.page.evaluate("async () => await (await fetch('/history')).json()")
            finished = [entry for key, entry in entries.items() if key not in before and entry["status"]]
            if finished:
                return finished[0]
            self.page.wait_for_timeout(250)
        raise TimeoutError(f"the workflow was not done within {seconds} seconds")

    def fit_view(self) -> None:
        """Zoom so that the whole graph is visible, its pictures drawn."""
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Canvas.FitView')")
        self.page.wait_for_timeout(600)  # the zoom is animated

    def screenshot(self, path: Path) -> None:
        """Write a picture of the page; the suffix decides between PNG and JPEG."""
        self.page.screenshot(path=path)


@contextmanager
def open_frontend(url: str, width: int = 1600, height: int = 1000) -> Iterator[Frontend]:
    """Open `url` in a Chromium of its own, with a fresh profile, and close it at the end.

    Raises:
        RuntimeError: no Chromium was found.
    """
    executable = find_chromium()
    if executable is None:
        raise RuntimeError("no Chromium found: install one or set CHROMIUM_PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        try:
            frontend = Frontend(browser.new_page(viewport={"width": width, "height": height}))
            frontend.open(url)
            yield frontend
        finally:
            browser.close()
