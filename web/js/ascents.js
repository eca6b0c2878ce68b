import { api } from "../../../scripts/api.js";

const LOST = "lost: the server was restarted, or is at another prompt";

// The ascents of the latest prompt, by run, as the server tells them: first the whole history, then an event a step.
// `changed` is called with each ascent that is new or has moved.
export class Ascents {
  constructor(changed) {
    this.changed = changed;
    this.runs = new Map();
    this.asking = false;
    this.askAgain = false;
  }

  async ask() {
    this.askAgain = this.asking;
    if (this.asking) return;
    this.asking = true;
    try {
      const answer = await api.fetchApi("/gper/ascents", { cache: "no-store" });
      if (answer.ok) this.take(await answer.json());
    } catch (error) {
      console.warn("Noise Optimizer: the server does not answer; the next step asks again.", error);
    } finally {
      this.asking = false;
    }
    this.runs.forEach((ascent) => this.changed(ascent));
    if (this.askAgain) await this.ask();
  }

  take(all) {
    const before = this.runs;
    this.runs = new Map(all.map((told) => [told.run, this.newer(told)]));
    for (const [run, ascent] of before) {
      if (ascent.state === "running" && !this.runs.has(run)) this.changed({ ...ascent, state: "failed", ended: LOST });
    }
  }

  // Events may have arrived while the answer was on its way.
  newer(told) {
    const known = this.runs.get(told.run);
    return known && known.history.length > told.history.length ? known : told;
  }

  // Asks for the history again where a run is new or a step was missed.
  hear(event) {
    const ascent = this.runs.get(event.run);
    const ahead = ascent ? event.step - ascent.history.length : NaN;
    if (ahead !== 0 && ahead !== -1) return this.ask();
    const { values, ...rest } = event;
    if (ahead === 0) ascent.history.push(values);
    Object.assign(ascent, rest);
    this.changed(ascent);
  }
}

export function pictureUrl(ascent, which) {
  const version = which === "best" ? `?count=${ascent.picture_count}` : "";
  return api.apiURL(`/gper/ascents/${ascent.run}/${which}.jpg${version}`);
}

export async function stopAndKeep(ascent) {
  const answer = await api.fetchApi("/gper/stop", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ node_id: ascent.node }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  const { stopping, message } = await answer.json();
  if (!stopping.length) throw new Error(message);
}
