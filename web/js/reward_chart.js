import { element, moment, number, svg } from "./elements.js";

const MOST_POINTS = 400;
const FEWEST_STEPS = 10; // so that a line does not jump to and fro at the start

// Rewards over steps. One reward has an axis; several are each drawn to its own lowest and highest value.
export class RewardChart {
  constructor() {
    this.lines = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none" });
    this.seeds = element("span", "gper-seeds");
    this.seeds.title = "seeds tried first; the steps begin with the best one";
    this.best = element("span", "gper-best-step");
    this.high = element("span", "");
    this.low = element("span", "");
    this.axis = element("div", "gper-axis", this.high, this.low);
    this.lastStep = element("span", "gper-last-step");
    const plot = element("div", "gper-plot", this.seeds, this.lines, this.best, this.lastStep);
    this.element = element("div", "gper-chart", this.axis, plot);
  }

  // curves: arrays of numbers, null where there is none; the first one's best step is marked. seeds: how many of the
  // values are those of seeds, before the steps.
  show(curves, seeds = 0) {
    const steps = Math.max(FEWEST_STEPS, curves[0].length - 1);
    const ranges = curves.map(range);
    this.axis.hidden = curves.length > 1;
    this.low.textContent = number(ranges[0][0]);
    this.high.textContent = number(ranges[0][1]);
    this.lastStep.textContent = moment(curves[0].length - 1, seeds);
    this.seeds.hidden = !seeds;
    this.seeds.style.width = `${(100 * Math.min(seeds, curves[0].length - 1)) / steps}%`;
    this.lines.replaceChildren(
      ...curves.map((curve, i) => svg("path", { class: `gper-curve-${i % 7}`, d: path(curve, steps, ranges[i]) })).reverse(),
    );
    const best = highest(curves[0]);
    this.best.hidden = best === undefined;
    if (best === undefined) return;
    this.best.style.left = `${(100 * best) / steps}%`;
    this.best.style.top = `${height(curves[0][best], ranges[0])}%`;
    this.best.title = seeds ? `best: ${moment(best, seeds)}` : `best step: ${best}`;
  }
}

export function highest(curve) {
  let best;
  curve.forEach((value, step) => {
    if (value !== null && (best === undefined || value > curve[best])) best = step;
  });
  return best;
}

function range(curve) {
  const values = curve.filter((value) => value !== null);
  return values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0, 1];
}

// In percent from the top, with a margin for the width of the line.
function height(value, [low, high]) {
  return high > low ? 94 - (88 * (value - low)) / (high - low) : 50;
}

function path(curve, steps, ends) {
  const stride = Math.ceil(curve.length / MOST_POINTS);
  const last = curve.length - 1;
  let drawing = false;
  return curve
    .map((value, step) => {
      if (step % stride && step !== last) return "";
      const command = value === null ? "" : `${drawing ? "L" : "M"}${(100 * step) / steps} ${height(value, ends)}`;
      drawing = value !== null;
      return command;
    })
    .join("");
}
