import { api } from "../../../scripts/api.js";

const styles = document.createElement("link");
styles.rel = "stylesheet";
styles.href = new URL("../css/pictures.css", import.meta.url);
document.head.append(styles);

// What the nodes showed last, by workflow and node: switching tabs makes the nodes anew, without their pictures.
const outputs = new Map();

function placeOf(node) {
  return `${node.graph.rootGraph.id} ${node.graph.id} ${node.id}`;
}

// Put a panel on a node and give it what the node tells each time that it has run: panel.show(output).
export function addPicturePanel(node, name, panel, minHeight) {
  const widget = node.addDOMWidget(name, `gper_${name}`, panel.element, {
    serialize: false,
    hideOnZoom: false,
    hideInPanel: true,
    getMinHeight: () => minHeight,
  });
  widget.serialize = false;
  // Both renderers take a press on a node for the beginning of a drag.
  panel.element.addEventListener("pointerdown", (event) => event.stopPropagation());

  const executed = node.onExecuted;
  node.onExecuted = function (output) {
    executed?.call(this, output);
    if (!output) return; // a node whose inputs were held back
    outputs.set(placeOf(this), output);
    panel.show(output);
  };
  const configured = node.onConfigure;
  node.onConfigure = function (...details) {
    configured?.apply(this, details);
    const output = this.graph && outputs.get(placeOf(this)); // a copy is in no graph yet
    if (output) panel.show(output);
  };
}

export function picture(reference, text) {
  const made = document.createElement("img");
  made.alt = text;
  made.draggable = false;
  made.addEventListener("load", () => made.classList.toggle("gper-small", made.naturalWidth < 256));
  made.src = api.apiURL(`/view?${new URLSearchParams(reference)}`);
  return made;
}

// As many columns as make a square of `count` cells.
export function arrange(grid, count) {
  grid.style.setProperty("--gper-columns", columns(count));
}

export function columns(count) {
  return Math.max(1, Math.ceil(Math.sqrt(count)));
}
