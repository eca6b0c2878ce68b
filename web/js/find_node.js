import { app } from "../../../scripts/app.js";

// The node that the server calls "12", or "5:12" inside the subgraph node 5; undefined if the shown workflow has none.
export function findNode(executionId) {
  let graph = app.rootGraph;
  let node;
  for (const id of executionId.split(":")) {
    node = graph?.getNodeById(id);
    graph = node?.subgraph;
  }
  return node ?? undefined;
}
