import { app } from "../../../scripts/app.js";

// Values are stored in the order that the widgets had when the workflow was saved, the widgets' names in the inputs.
// Those of a widget that the node no longer has must not go to the ones after it.
function withoutWidgetsThatAreGone(node, saved) {
  const slots = saved.inputs ?? [], values = saved.widgets_values;
  const names = slots.filter((slot) => slot.widget).map((slot) => slot.widget.name);
  if (!Array.isArray(values) || names.length !== values.length) return saved;
  const stays = (name) => node.widgets?.some((widget) => widget.name === name);
  return {
    ...saved,
    inputs: slots.filter((slot) => !slot.widget || slot.link != null || stays(slot.widget.name)),
    widgets_values: values.filter((_, i) => stays(names[i])),
  };
}

app.registerExtension({
  name: "GPER.EarlierWorkflows",

  beforeRegisterNodeDef(nodeType) {
    if (!nodeType.comfyClass.startsWith("GPER_")) return;
    const configure = nodeType.prototype.configure;
    nodeType.prototype.configure = function (saved) {
      return configure.call(this, withoutWidgetsThatAreGone(this, saved));
    };
  },
});
