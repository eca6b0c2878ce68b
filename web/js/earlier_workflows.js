import { app } from "../../../scripts/app.js";

const widgetNames = (saved) => (saved.inputs ?? []).filter((slot) => slot.widget).map((slot) => slot.widget.name);

// Values are stored in the order that the widgets had when the workflow was saved, the widgets' names in the inputs.
// Those of a widget that the node no longer has must not go to the ones after it.
function withoutWidgetsThatAreGone(node, saved) {
  const slots = saved.inputs ?? [], values = saved.widgets_values, names = widgetNames(saved);
  if (!Array.isArray(values) || names.length !== values.length) return saved;
  const stays = (name) => node.widgets?.some((widget) => widget.name === name);
  return {
    ...saved,
    inputs: slots.filter((slot) => !slot.widget || slot.link != null || stays(slot.widget.name)),
    widgets_values: values.filter((_, i) => stays(names[i])),
  };
}

// A workflow from before the effort's widgets ran as the published method, and goes on to do so.
function publishedWhereNotSaved(node, saved, efforts) {
  const values = saved.widgets_values, names = widgetNames(saved);
  if (!Array.isArray(values)) return;
  const stored = (node.widgets ?? []).filter((widget) => widget.serialize !== false);
  // A file that was trimmed does not list every widget; then the number of its values tells.
  const isSaved = (widget) => names.length === values.length ? names.includes(widget.name) : stored.indexOf(widget) < values.length;
  for (const [name, value] of Object.entries(efforts?.plain ?? {})) {
    const widget = stored.find((widget) => widget.name === name);
    if (!widget || isSaved(widget)) continue;
    widget.value = value;
    widget.callback?.(value);
  }
}

app.registerExtension({
  name: "GPER.EarlierWorkflows",

  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeType.comfyClass.startsWith("GPER_")) return;
    const efforts = nodeData.input?.required?.steps?.[1]?.gper_efforts;
    const configure = nodeType.prototype.configure;
    nodeType.prototype.configure = function (saved) {
      const configured = configure.call(this, withoutWidgetsThatAreGone(this, saved));
      publishedWhereNotSaved(this, saved, efforts);
      return configured;
    };
  },
});
