"""The way between a client and a store, in the hands of a test: it can lose, hold and cut.

Unlike a cut network, it can lose exactly one thing: the reply to a request that was carried out.
Bytes are otherwise passed on as they are, in the test's own event loop.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self


class UnixProxy:
    """Listens on a Unix socket of its own and passes everything on to `target`.

    `url` is for clients of Redis.
    """

    def __init__(self, directory: Path, target: Path) -> None:
        self.path = directory / "proxy.sock"
        self.url = f"unix://{self.path}"
        self.replies_lost = 0
        self._target = target
        self._marker = b""
        self._replies_to_lose = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()

    def lose_replies(self, count: int, *, to: bytes) -> None:
        """Of the next requests that hold the bytes `to`: carry them out, lose their replies.

        The client's connection ends with the loss.
        """
        self._replies_to_lose = count
        self._marker = to

    def hold(self) -> None:
        """From now on nothing moves; connections stay open."""
        self._flowing.clear()

    def flow(self) -> None:
        """What was held moves on."""
        self._flowing.set()

    async def cut(self) -> None:
        """End all connections; new ones are passed on."""
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)
        try:
            await self._join(_Pipe(reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # a side is gone, or the test cut it
        finally:
            writer.transport.abort()

    async def _join(self, near: _Pipe) -> None:
        far = _Pipe(*await asyncio.open_unix_connection(self._target))
        try:
            ways = {
                asyncio.ensure_future(self._requests(near, far)),
                asyncio.ensure_future(self._replies(near, far)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self.replies_lost += far.loses_reply  # also if the client did not wait for it
            far.writer.transport.abort()

    async def _requests(self, near: _Pipe, far: _Pipe) -> None:
        while data := await near.reader.read(65_536):
            await self._flowing.wait()
            if self._replies_to_lose and self._marker in data:
                self._replies_to_lose -= 1
                far.loses_reply = True
            far.writer.write(data)

    async def _replies(self, near: _Pipe, far: _Pipe) -> None:
        while data := await far.reader.read(65_536):
            await self._flowing.wait()
            if far.loses_reply:
                return
            near.writer.write(data)


class _Pipe:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.loses_reply = False
