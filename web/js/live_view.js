import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { Ascents } from "./ascents.js";
import { findNode } from "./find_node.js";
import { LivePanel } from "./live_panel.js";

const MIN_HEIGHT = 290;
const isLive = (type) => ["GPER_NoiseOptimizer", "GPER_NoiseTiltSampler"].includes(type);

const panels = new WeakMap(); // by node
const ascents = new Ascents(show);

// Node ids repeat from workflow to workflow: a run is shown only in the workflow that queued it. One inside a subgraph is
// also shown on the subgraph's node.
function show(ascent) {
  if (ascent.workflow !== app.rootGraph.id) return;
  const ids = ascent.node.split(":");
  ids.forEach((_, depth) => panels.get(findNode(ids.slice(0, depth + 1).join(":")))?.show(ascent));
}

function addPanel(node) {
  if (node.widgets?.some((widget) => widget.name === "live_view")) return;
  const panel = new LivePanel();
  const widget = node.addDOMWidget("live_view", "gper_live_view", panel.element, {
    serialize: false,
    hideOnZoom: false,
    hideInPanel: true,
    getMinHeight: () => MIN_HEIGHT,
  });
  widget.serialize = false;
  panels.set(node, panel);
}

app.registerExtension({
  name: "GPER.LiveView",

  async setup() {
    const styles = document.createElement("link");
    styles.rel = "stylesheet";
    styles.href = new URL("../css/live_view.css", import.meta.url);
    document.head.append(styles);
    api.addEventListener("gper.ascent", (event) => ascents.hear(event.detail));
    api.addEventListener("reconnected", () => ascents.ask());
    await ascents.ask();
  },

  nodeCreated(node) {
    if (isLive(node.constructor.comfyClass)) addPanel(node);
    if (!node.subgraph) return;
    const configured = node.onConfigure; // which makes the widgets of such a node anew
    node.onConfigure = function (...details) {
      configured?.apply(this, details);
      if (this.subgraph.nodes.filter((inner) => isLive(inner.type)).length === 1) addPanel(this);
    };
  },

  // The nodes of a workflow have their ids and places only now: on opening, switching tabs, undo.
  afterConfigureGraph() {
    ascents.runs.forEach(show);
  },
});
