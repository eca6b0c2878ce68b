import { app } from "../../../scripts/app.js";

// A widget that sets others at once and is no input of the node: what runs is what those others show.
const CUSTOM = "custom";

app.registerExtension({
  name: "GPER.Effort",

  beforeRegisterNodeDef(nodeType, nodeData) {
    const efforts = nodeData.input?.required?.steps?.[1]?.gper_efforts;
    if (efforts) nodeType.gperEfforts = efforts;
  },

  nodeCreated(node) {
    const efforts = node.constructor.gperEfforts;
    if (!efforts) return;
    const knob = (name) => node.widgets.find((widget) => widget.name === name);
    const isSet = ([, values]) => Object.entries(values).every(([name, value]) => knob(name).value === value);

    const effort = node.addWidget("combo", "effort", CUSTOM, choose, {
      values: [...Object.keys(efforts), CUSTOM],
      serialize: false,
    });
    effort.serialize = false;
    effort.tooltip =
      "Sets steps, seeds_first, strength and step_rule; change each as you like. plain: the published ascent. quick, " +
      "balanced, thorough: seeds first, then steps that fall and stay near the best one.";

    function choose(name) {
      for (const [knobName, value] of Object.entries(efforts[name] ?? {})) {
        knob(knobName).value = value;
        knob(knobName).callback?.(value);
      }
      recognise();
    }

    function recognise() {
      effort.value = Object.entries(efforts).find(isSet)?.[0] ?? CUSTOM;
    }

    for (const name of Object.keys(efforts.plain)) {
      const changed = knob(name).callback;
      knob(name).callback = function (...details) {
        changed?.apply(this, details);
        recognise();
      };
    }
    const configured = node.onConfigure;
    node.onConfigure = function (...details) {
      configured?.apply(this, details);
      recognise();
    };
    recognise();
  },
});
