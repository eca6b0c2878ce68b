"""The server's addresses for running ascents: their curves, their pictures, and Stop and keep."""

import asyncio
import json

from aiohttp import web

from ...runs.live_run import LIVE_RUNS

LONGEST_BODY = 4096  # bytes; ids in nested subgraphs have some dozens


async def list_runs(request: web.Request) -> web.Response:
    """GET /gper/ascents: every ascent of the latest prompt with its whole history."""
    return web.json_response([ascent.snapshot() for ascent in LIVE_RUNS.all()])


async def show_picture(request: web.Request) -> web.Response:
    """GET /gper/ascents/{run}/{picture}.jpg: picture is "start" or "best"."""
    ascent = LIVE_RUNS.find(request.match_info["run"])
    picture = ascent and ascent.pictures.get(request.match_info["picture"])
    if not picture:
        raise web.HTTPNotFound(text="There is no such picture: the run is over and forgotten, or has just begun.")
    return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def stop(request: web.Request) -> web.Response:
    """POST /gper/stop with {"node_id": "12"}, or with nothing for all: end at the next step, keep the best."""
    try:
        node = _node_to_stop(await _text(request))
    # Not JSON or another object, not text, an unknown charset, nested too deep.
    except (ValueError, LookupError, RecursionError) as error:
        raise web.HTTPBadRequest(text='Send {"node_id": "12"} to stop one node, or nothing to stop all.') from error
    stopping = LIVE_RUNS.stop(node)
    if stopping:
        message = f"Node {', '.join(stopping)} ends at its next step and keeps what it has."
    else:
        message = "No run is in progress." if node is None else f"Node {node} has no run in progress."
    return web.json_response({"stopping": stopping, "message": message})


async def _text(request: web.Request) -> str:
    """The body as text. Raises ValueError or LookupError when it is too long or no text."""
    try:
        await request.content.readexactly(LONGEST_BODY + 1)
    except asyncio.IncompleteReadError as end:
        return end.partial.decode(request.charset or "utf-8")
    raise ValueError("The body is too long.")


def _node_to_stop(text: str) -> str | None:
    """The id in the body of a stop, None for every node. Raises ValueError or RecursionError for any other body."""
    body = json.loads(text) if text.strip() else {}
    # A wrong key must not read as "all".
    if not isinstance(body, dict) or not body.keys() <= {"node_id"}:
        raise ValueError("The body is not an object with a node_id alone.")
    node = body.get("node_id", "")
    if not isinstance(node, str | int) or isinstance(node, bool):
        raise ValueError("The node_id is neither a string nor a whole number.")
    return str(node) if body else None


def add_routes(routes: web.RouteTableDef) -> None:
    routes.get("/gper/ascents")(list_runs)
    routes.get("/gper/ascents/{run}/{picture}.jpg")(show_picture)
    routes.post("/gper/stop")(stop)
