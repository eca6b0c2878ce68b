import { app } from "../../../scripts/app.js";
import { element } from "./elements.js";
import { addPicturePanel, arrange, columns, picture } from "./picture_panel.js";

const MIN_HEIGHT = 300;
const ALONG = { ArrowLeft: -1, ArrowRight: 1 };
const ACROSS = { ArrowUp: -1, ArrowDown: 1 };

// The pictures of a batch as buttons. What is pressed stands in the node's text widget `picked` and nowhere else.
class PickPanel {
  constructor(picked) {
    this.picked = picked;
    this.marks = [];
    this.status = element("div", "gper-status", "The pictures appear here when the workflow runs.");
    this.status.setAttribute("role", "status");
    this.grid = element("div", "gper-grid");
    this.element = element("div", "gper-pictures", this.status, this.grid);
    this.grid.addEventListener("keydown", (event) => this.move(event));
  }

  show({ gper_pictures: pictures, gper_marks: marks }) {
    if (!pictures) return;
    this.marks = marks;
    this.buttons = pictures.map((reference, i) => {
      const button = element("button", "gper-choice", picture(reference, `picture ${i + 1}`));
      button.type = "button";
      button.title = `picture ${i + 1}`;
      button.addEventListener("click", () => this.toggle(i));
      return button;
    });
    arrange(this.grid, pictures.length);
    this.grid.replaceChildren(...this.buttons);
    this.refresh();
  }

  // A pick is a number, or a number with the mark of the picture that it was made for.
  isPicked(i) {
    const picks = this.picked.value.split(/[\s,]+/);
    return picks.includes(`${i + 1}:${this.marks[i]}`) || picks.includes(`${i + 1}`);
  }

  toggle(i) {
    const picks = this.marks.map((mark, j) => this.isPicked(j) !== (j === i) && `${j + 1}:${mark}`);
    this.picked.value = picks.filter(Boolean).join(", ");
    this.picked.callback?.(this.picked.value);
    this.refresh();
  }

  refresh() {
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", this.isPicked(i)));
    const count = this.marks.filter((_, i) => this.isPicked(i)).length;
    this.status.textContent = count
      ? `${count} of ${this.marks.length} liked. Press Run to hand them on.`
      : "Click the pictures that you like, then press Run.";
  }

  // Space and Enter press a button; the page would take them and the arrows for its own.
  move(event) {
    const step = ALONG[event.key] ?? ACROSS[event.key] * columns(this.buttons.length);
    if (step) this.buttons[this.buttons.indexOf(event.target) + step]?.focus();
    if (step || event.key === " " || event.key === "Enter") event.stopPropagation();
    if (step) event.preventDefault();
  }
}

app.registerExtension({
  name: "GPER.PickImages",

  nodeCreated(node) {
    if (node.constructor.comfyClass !== "GPER_PickImages") return;
    const picked = node.widgets.find((widget) => widget.name === "picked");
    picked.hidden = true;
    picked.options.hidden = true; // what Nodes 2.0 looks at
    addPicturePanel(node, "pictures", new PickPanel(picked), MIN_HEIGHT);
  },
});
