"""The server's addresses for running ascents: their curves, their pictures, and Stop and keep."""

import json

from aiohttp import web

from .live_ascent import LIVE_ASCENTS


async def list_ascents(request: web.Request) -> web.Response:
    """GET /gper/ascents: every ascent of the latest prompt with its whole history."""
    return web.json_response([ascent.snapshot() for ascent in LIVE_ASCENTS.all()])


async def show_picture(request: web.Request) -> web.Response:
    """GET /gper/ascents/{run}/{picture}.jpg: picture is "start" or "best"."""
    ascent = LIVE_ASCENTS.find(request.match_info["run"])
    picture = ascent and ascent.pictures.get(request.match_info["picture"])
    if not picture:
        raise web.HTTPNotFound(text="There is no such picture: the run is over and forgotten, or has just begun.")
    return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def stop(request: web.Request) -> web.Response:
    """POST /gper/stop with {"node_id": "12"}, or with nothing for all: end at the next step, keep the best."""
    text = await request.text()
    try:
        body = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("node_id", ""), str | int):
        raise web.HTTPBadRequest(text='Send {"node_id": "12"} to stop one Noise Optimizer, or nothing to stop all.')
    node = str(body["node_id"]) if "node_id" in body else None
    stopping = LIVE_ASCENTS.stop(node)
    if stopping:
        message = f"Node {', '.join(stopping)} ends at its next step and hands on the best noise."
    else:
        message = "No Noise Optimizer is running." if node is None else f"Node {node} runs no Noise Optimizer."
    return web.json_response({"stopping": stopping, "message": message})


def add_routes(routes: web.RouteTableDef) -> None:
    routes.get("/gper/ascents")(list_ascents)
    routes.get("/gper/ascents/{run}/{picture}.jpg")(show_picture)
    routes.post("/gper/stop")(stop)
