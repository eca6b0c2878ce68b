"""The demo workflow on the page, and what the live view on its Noise Optimizer shows."""

from __future__ import annotations

import time
import uuid
from typing import Any

from tools.workflow_files import FOLDER, read

OPTIMIZER = "GPER_NoiseOptimizer"

# By the name of the widget, on the Noise Optimizer if it has it, else on the first node that has.
SET_WIDGETS = """([optimizer, values]) => {
    const nodes = [...window.app.graph.nodes];
    nodes.sort((a, b) => (b.type === optimizer) - (a.type === optimizer));
    for (const [name, value] of Object.entries(values))
        nodes.flatMap(n => n.widgets ?? []).find(w => w.name === name).value = value;
}"""

PANEL = """e => ({
    state: e.dataset.state,
    status: e.querySelector('.gper-status').innerText,
    settings: e.querySelector('.gper-settings').innerText,
    curves: [...e.querySelectorAll('.gper-plot path')].map(p => p.getAttribute('d')),
    names: [...e.querySelectorAll('.gper-name')].map(n => n.innerText),
    best: e.querySelector('.gper-best-step').title,
    seeds: (s => s.offsetWidth / s.parentElement.clientWidth)(e.querySelector('.gper-seeds')),
    pictures: [...e.querySelectorAll('img')].filter(i => i.complete && i.naturalWidth > 0).map(i => i.src),
    button: (b => b.offsetParent ? b.innerText : null)(e.querySelector('.gper-stop')),
    points: (e.querySelector('.gper-plot path')?.getAttribute('d').match(/[ML]/g) ?? []).length,
})"""
VISIBLE = "[...document.querySelectorAll('.gper-live')].filter(e => e.offsetParent)"
PANELS = f"() => {VISIBLE}.map({PANEL})"
WATCH = f"""() => {{
    const panel = {VISIBLE}[0];
    window.gperSeen = [];
    new MutationObserver(() => window.gperSeen.push(({PANEL})(panel))).observe(
        panel, {{ subtree: true, childList: true, attributes: true }});
}}"""


class LivePage:
    """Drives a `tools.comfyui_browser.Frontend` and reads the live views that are visible on it."""

    def __init__(self, frontend, server) -> None:
        self.frontend = frontend
        self.page = frontend.page
        self.server = server

    def load_demo(self, nodes_2: bool, seed: int, workflow_id: str = "", **widgets: Any) -> None:
        """Show the demo workflow with one small picture, as a workflow of its own. widgets: their values by name."""
        workflow = read(FOLDER / "demo.json")
        workflow["id"] = workflow_id or str(uuid.uuid4())
        self.frontend.use_nodes_2(nodes_2)
        self.frontend.errors.clear()
        self.frontend.load_workflow(workflow, f"demo {seed}")
        small = {"width": 64, "height": 64, "batch_size": 1}
        self.page.evaluate(SET_WIDGETS, [OPTIMIZER, {"noise_seed": seed, **small, **widgets}])
        self.frontend.fit_view()

    def queue(self) -> str:
        """Press Run; returns the id of the prompt."""
        before = self._known()
        self.page.evaluate("() => window.app.queuePrompt(0, 1)")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if new := self._known() - before:
                return new.pop()
            self.page.wait_for_timeout(50)
        raise TimeoutError("the page queued nothing")

    def _known(self) -> set[str]:
        """The ids of prompts that wait, run or, if they were fast, are done."""
        queue = self.server.get("/queue")
        return {item[1] for item in queue["queue_running"] + queue["queue_pending"]} | set(self.server.get("/history"))

    def panels(self) -> list[dict[str, Any]]:
        return self.page.evaluate(PANELS)

    def watch(self) -> None:
        """From here on note everything that the one live view shows, for `seen`."""
        self.page.evaluate(WATCH)

    def seen(self) -> list[dict[str, Any]]:
        return self.page.evaluate("() => window.gperSeen")

    def wait(self, wanted, seconds: float = 240) -> dict[str, Any]:
        """Wait until one live view is as `wanted(panel)` says, and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for panel in self.panels():
                if wanted(panel):
                    return panel
            self.page.wait_for_timeout(100)
        raise TimeoutError(f"the live view stayed at {self.panels()}")

    def stop_and_keep(self) -> None:
        self.page.locator(".gper-stop:visible").click()
