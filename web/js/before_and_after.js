import { app } from "../../../scripts/app.js";
import { element } from "./elements.js";
import { addPicturePanel, arrange, picture } from "./picture_panel.js";

const MIN_HEIGHT = 300;

// Pairs of pictures on top of one another; one slider uncovers the first of each pair.
class ComparePanel {
  constructor() {
    this.status = element("div", "gper-status", "The pictures appear here when the workflow runs.");
    this.slider = element("input", "gper-slider");
    Object.assign(this.slider, { type: "range", min: 0, max: 100, value: 50, title: "Drag, or use the arrow keys" });
    this.slider.ariaLabel = "Where before ends and after begins";
    this.slider.addEventListener("input", () => this.uncover());
    this.slider.addEventListener("keydown", (event) => event.stopPropagation());
    this.grid = element("div", "gper-grid");
    const names = element("div", "gper-names", element("span", "", "before"), element("span", "", "after"));
    this.frame = element("div", "gper-frame", this.slider, this.grid, names);
    this.frame.hidden = true;
    this.element = element("div", "gper-pictures", this.status, this.frame);
    this.uncover();
  }

  uncover() {
    this.frame.style.setProperty("--gper-at", `${this.slider.value}%`);
  }

  show({ gper_before: before, gper_after: after }) {
    if (!after) return;
    const pairs = after.map((reference, i) => {
      const shown = picture(reference, "after");
      shown.classList.add("gper-after");
      const covered = picture(before[Math.min(i, before.length - 1)], "before");
      return element("div", "gper-pair", covered, shown, element("div", "gper-edge"));
    });
    arrange(this.grid, pairs.length);
    this.grid.replaceChildren(...pairs);
    this.frame.hidden = false;
    this.status.hidden = true;
  }
}

app.registerExtension({
  name: "GPER.BeforeAndAfter",

  nodeCreated(node) {
    if (node.constructor.comfyClass !== "GPER_BeforeAndAfter") return;
    addPicturePanel(node, "pictures", new ComparePanel(), MIN_HEIGHT);
  },
});
