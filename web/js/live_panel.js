import { pictureUrl, stopAndKeep } from "./ascents.js";
import { duration, element, moment, number } from "./elements.js";
import { highest, RewardChart } from "./reward_chart.js";

const KEEP = "End at the next step and hand on the best noise, so that the workflow finishes";
const SAMPLE_ON = "Tilt no more noise: the remaining steps are plain and quick, so that the workflow finishes";

// What a node shows of its run: curves, numbers, pictures, and the button that ends it.
export class LivePanel {
  constructor() {
    this.status = element("div", "gper-status");
    this.button = element("button", "gper-stop", "Stop and keep");
    this.button.type = "button";
    this.button.addEventListener("click", () => this.stop());
    this.chart = new RewardChart();
    this.legend = element("ul", "gper-legend");
    this.notes = element("div", "gper-notes");
    this.start = new Picture("start");
    this.best = new Picture("best");
    this.settings = element("div", "gper-settings");
    this.element = element(
      "div",
      "gper-live",
      element("div", "gper-head", this.status, this.button),
      this.chart.element,
      this.legend,
      this.notes,
      element("div", "gper-strip", this.start.element, this.best.element),
      this.settings,
    );
    this.rest();
  }

  rest() {
    this.element.dataset.state = "idle";
    this.element.toggleAttribute("data-empty", true);
    this.status.textContent = "Reward curve and pictures appear here during a run.";
    this.button.hidden = true;
  }

  show(ascent) {
    this.ascent = ascent;
    const running = ascent.state === "running";
    this.element.dataset.state = ascent.state;
    this.element.toggleAttribute("data-empty", !ascent.history.length);
    this.button.hidden = !running;
    this.button.title = ascent.sampling ? SAMPLE_ON : KEEP;
    this.button.disabled = ascent.stopping;
    this.button.textContent = ascent.stopping ? "Stopping…" : "Stop and keep";
    this.status.replaceChildren(...(running ? progress(ascent) : outcome(ascent)).map((line) => element("div", "", line)));
    this.settings.textContent = this.settings.title = ascent.settings;
    if (!ascent.history.length) return;
    const curves = ascent.curves.map((_, i) => ascent.history.map((values) => values[i]));
    this.chart.show(curves, ascent.seeds);
    this.legend.replaceChildren(...curves.map((curve, i) => legendEntry(ascent, i, curve)));
    this.notes.replaceChildren(...notes(ascent));
    this.start.show(ascent, ascent.history[0][0]);
    this.best.show(ascent, ascent.best);
  }

  async stop() {
    this.button.disabled = true;
    try {
      await stopAndKeep(this.ascent);
      this.button.textContent = "Stopping…";
    } catch (error) {
      this.button.disabled = false;
      this.status.textContent = `Could not stop: ${error.message}`;
    }
  }
}

class Picture {
  constructor(which) {
    this.which = which;
    this.image = element("img", "");
    this.image.alt = which === "start" ? "picture of the start noise" : "best picture so far";
    this.image.draggable = false;
    this.caption = element("figcaption", "");
    this.element = element("figure", "", this.image, this.caption);
  }

  show(ascent, reward) {
    this.caption.textContent = `${this.name(ascent)} ${number(reward)}`;
    if (!ascent.picture_count) return this.image.removeAttribute("src");
    const url = pictureUrl(ascent, this.which);
    if (this.image.getAttribute("src") !== url) this.image.src = url;
  }

  // A sampling cannot go back to an earlier picture: it shows the latest.
  name({ sampling, state }) {
    if (this.which === "start") return sampling ? "first expected" : "start";
    if (sampling) return state === "running" ? "expected now" : "in the end";
    return state === "running" ? "best so far" : "best";
  }
}

function progress(ascent) {
  const last = ascent.history.length - 1;
  if (last < 0) return ["loading the models"];
  if (last < ascent.seeds) return [`seed ${last + 1} of ${ascent.seeds}`, `best so far ${number(ascent.best)}`];
  return [
    `step ${last - ascent.seeds} of ${ascent.steps}`,
    `${duration(ascent.seconds_left)} left, ${duration(ascent.seconds_per_step)}/step`,
    ...fromSeeds(ascent),
  ];
}

function fromSeeds(ascent) {
  return ascent.seeds_best == null ? [] : [`from the best of ${ascent.seeds} seeds, ${number(ascent.seeds_best)}`];
}

function outcome(ascent) {
  if (ascent.state === "failed") return [ascent.ended];
  const steps = Math.max(0, ascent.history.length - 1 - ascent.seeds);
  return [`Stopped: ${ascent.ended}`, `${steps} steps, ${duration(ascent.seconds_per_step)}/step`, ...fromSeeds(ascent)];
}

function notes(ascent) {
  const shown = [];
  if (ascent.warning) shown.push(element("div", "gper-warning", ascent.warning));
  if (ascent.in_seeds) shown.push(element("div", "", `best: ${ascent.in_seeds}`));
  return shown;
}

function legendEntry(ascent, i, curve) {
  const best = highest(curve);
  const now = curve[curve.length - 1];
  const entry = element(
    "li",
    `gper-curve-${i % 7}`,
    element("span", "gper-swatch"),
    element("span", "gper-name", ascent.curves[i] + (ascent.watched[i] ? " (watched)" : "")),
    element("span", "gper-values", `${number(curve[0])} → ${number(now)}`),
  );
  entry.title = `start ${number(curve[0])}, now ${number(now)}, highest ${number(curve[best])} at ${best === undefined ? "–" : moment(best, ascent.seeds)}`;
  return entry;
}
