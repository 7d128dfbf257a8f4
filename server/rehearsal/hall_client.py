"""Asking the hall: the part of a rehearsal that the supervisor runs, over its socket.

One JSON line each way: `{"verb": "open", ...}` and `{"done": {...}}`, `{"refused": "why"}` or
`{"failed": "why"}`. Whoever may write to the socket may ask: it is its user's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import orjson

from server.redis_socket import socket_path
from server.rehearsal.ports import HallRefused, HallUnavailable

SOCKET_NAME: Final = "hall.sock"
LINE_BYTES_MAX: Final = 1_048_576


def hall_path(data_dir: Path) -> Path:
    """Where the hall of this data directory listens."""
    return socket_path(data_dir, SOCKET_NAME)


class HallClient:
    """The hall of the supervisor that holds this data directory; see `ports.Hall`."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    async def ask(self, verb: str, *, within_s: float, **values: Any) -> dict[str, Any]:
        """One verb with its values. Raises `HallRefused`, and `HallUnavailable`."""
        try:
            async with asyncio.timeout(within_s):
                line = await self._exchange(orjson.dumps({"verb": verb, **values}) + b"\n")
            answer = orjson.loads(line)
        except TimeoutError:
            raise HallUnavailable(f"{verb}: no answer within {within_s:g} s") from None
        except (OSError, EOFError, ValueError) as error:
            raise HallUnavailable(f"{verb}: this server has no hall: {error}") from error
        if "refused" in answer:
            raise HallRefused(answer["refused"])
        if "failed" in answer:
            raise HallUnavailable(answer["failed"])
        done: dict[str, Any] = answer["done"]
        return done

    async def _exchange(self, line: bytes) -> bytes:
        path = hall_path(self._data_dir)
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
        try:
            writer.write(line)
            await writer.drain()
            answer = await reader.readline()
            if not answer.endswith(b"\n"):
                raise EOFError("it closed the connection")
            return answer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
