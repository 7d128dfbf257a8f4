"""The peer everybody writes first: a Starlette app that sends to its viewers one after another.

Run it with `uvicorn loadtest.bench.naive_peer:app`. It is written as the Starlette documentation
would: a set of websockets, one awaited `send_text` for each of them and event.
"""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

clients: set[WebSocket] = set()


async def watch(websocket: WebSocket) -> None:
    """Greet a viewer with one frame, then keep it in the set until it leaves."""
    await websocket.accept()
    await websocket.send_text('{"hello":"viewer"}')
    clients.add(websocket)
    try:
        async for _text in websocket.iter_text():
            pass
    finally:
        clients.discard(websocket)


async def publish(request: Request) -> Response:
    """Send the body's `data` to every viewer."""
    text = json.dumps((await request.json())["data"], separators=(",", ":"))
    for websocket in list(clients):
        try:
            await websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError):  # left meanwhile
            clients.discard(websocket)
    return JSONResponse({"result": {}})


async def ready(_request: Request) -> Response:
    return JSONResponse({"viewers": len(clients)})


app = Starlette(
    routes=[
        WebSocketRoute("/", watch),
        Route("/publish", publish, methods=["POST"]),
        Route("/readyz", ready),
    ]
)
