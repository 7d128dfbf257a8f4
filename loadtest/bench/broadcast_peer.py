"""The better peer: `websockets.broadcast`, which writes to all connections without awaiting.

`python -m loadtest.bench.broadcast_peer PORT PUBLISH_PORT` serves viewers on the first port with
the `websockets` library and takes events on the second with the same Starlette endpoint as the
naive peer, in one process under uvloop. Compression is off, as no client asks for it.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.asyncio.server import ServerConnection, broadcast, serve

clients: set[ServerConnection] = set()


async def watch(connection: ServerConnection) -> None:
    """Greet a viewer with one frame, then keep it in the set until it leaves."""
    await connection.send('{"hello":"viewer"}')
    clients.add(connection)
    try:
        await connection.wait_closed()
    finally:
        clients.discard(connection)


async def publish(request: Request) -> Response:
    """Send the body's `data` to every viewer."""
    broadcast(clients, json.dumps((await request.json())["data"], separators=(",", ":")))
    return JSONResponse({"result": {}})


async def ready(_request: Request) -> Response:
    return JSONResponse({"viewers": len(clients)})


async def main(port: int, publish_port: int) -> None:
    routes = [Route("/publish", publish, methods=["POST"]), Route("/readyz", ready)]
    config = uvicorn.Config(
        Starlette(routes=routes), port=publish_port, log_level="warning", access_log=False
    )
    async with serve(watch, "127.0.0.1", port, compression=None, backlog=2048):
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))
