"""The network between those who make the load and the server, so that a drill can cut it.

Bytes are passed on as they are, and no faster than the other side takes them. It is a process of
its own (`python -m loadtest.rehearsal.proxy`): what it costs is told like that of every generator,
and a rehearsal in which it was the bottleneck proves nothing. It knows nothing of what it carries.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from loadtest.rehearsal import records
from loadtest.rehearsal.children import clean_environment, raise_open_files
from loadtest.rehearsal.http import address
from loadtest.rehearsal.records import Pulse
from loadtest.rehearsal.trouble import Trouble

HOST: Final = "127.0.0.1"
BACKLOG: Final = 2_048
REACH_WITHIN_S: Final = 10.0
START_WITHIN_S: Final = 30.0
END_WITHIN_S: Final = 10.0
PULSE_S: Final = 1.0
WHO: Final = "proxy-1"
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing answers with a reset, not an end


class Proxy:
    """Passes on what comes to `port` to the target, unless it is cut. Use inside a running loop.

    `port` 0 takes any that is free; entering the context sets the real one.
    """

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.port = port
        self.is_cut = False
        self.connections = 0  # that clients have open now
        self._target = target
        self._ends: set[_End] = set()
        self._reaching: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Near(self), HOST, self.port, backlog=BACKLOG
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._reset_all()
        await asyncio.gather(*self._reaching, return_exceptions=True)
        await self._server.wait_closed()

    async def cut(self, seconds: float) -> None:
        """Reset every connection, and every new one at once, for so long."""
        self.is_cut = True
        try:
            self._reset_all()
            await asyncio.sleep(seconds)
        finally:
            self.is_cut = False

    def _reset_all(self) -> None:
        for end in list(self._ends):
            end.reset()

    def entered(self, near: _Near) -> None:
        """A client has come: connect it with the server, or send it away."""
        if self.is_cut:
            near.reset()
            return
        task = asyncio.get_running_loop().create_task(self._reach(near))
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)

    async def _reach(self, near: _Near) -> None:
        far = _End(self)
        try:
            async with asyncio.timeout(REACH_WITHIN_S):
                await asyncio.get_running_loop().create_connection(lambda: far, *self._target)
        except (OSError, TimeoutError):  # for the client the server is not there
            near.reset()
            return
        if near.is_gone or self.is_cut:
            near.reset()
            far.reset()
            return
        near.meet(far)

    def add(self, end: _End) -> None:
        self._ends.add(end)
        self.connections += isinstance(end, _Near)

    def discard(self, end: _End) -> None:
        if end in self._ends:
            self._ends.remove(end)
            self.connections -= isinstance(end, _Near)


class _End(asyncio.Protocol):
    """One end of a connection: what it gets, the other end sends on."""

    def __init__(self, proxy: Proxy) -> None:
        self.other: _End | None = None
        self._proxy = proxy
        self._transport: asyncio.Transport | None = None

    @property
    def is_gone(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._proxy.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause_writing(self) -> None:
        """This side reads slowly: the other one has to wait, as it would without us."""
        other = None if self.other is None else self.other._transport
        if other is not None and other.is_reading():
            other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.resume()

    def resume(self) -> None:
        if self._transport is not None and not self.is_gone and not self._transport.is_reading():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._proxy.discard(self)
        if self.other is not None and self.other._transport is not None:
            self.other._transport.close()  # after what is still to be sent

    def reset(self) -> None:
        """End it as a broken network does. Safe to repeat."""
        if self._transport is None:
            return
        line = self._transport.get_extra_info("socket")
        if line is not None:
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


class _Near(_End):
    """The client's end. It is hardly read before the server's is there."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(proxy)
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._proxy.entered(self)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
            assert self._transport is not None
            self._transport.pause_reading()
        else:
            super().data_received(data)

    def meet(self, far: _End) -> None:
        """From now on the two are one connection."""
        self.other, far.other = far, self
        far.send(self._early)
        self._early = b""
        self.resume()


class Gateway:
    """A proxy in a process of its own, for a `base_url` of the server. It ends with the context.

    Thread-safe. Only addresses without TLS can be reached through it: a certificate is not for it.
    """

    def __init__(self, base_url: str, directory: Path) -> None:
        host, port, _path = address(base_url)
        self.port = 0
        self._target = f"{host}:{port}"
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        """Raises `Trouble` if it does not start."""
        module = "loadtest.rehearsal.proxy"
        arguments = ["--target", self._target, "--dir", str(self._directory)]
        with (self._directory / f"{WHO}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=clean_environment(),
                start_new_session=True,
            )
        starting = threading.Timer(START_WITHIN_S, self._process.kill)
        starting.start()
        try:
            self.port = int(self._heard("port"))
        except (Trouble, ValueError):
            self._end()
            raise Trouble(f"the proxy did not start: see {WHO}.log") from None
        finally:
            starting.cancel()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def through(self, url: str) -> str:
        """The same address, reached through the proxy."""
        scheme, _, rest = url.partition("://")
        _place, slash, path = rest.partition("/")
        return f"{scheme}://{HOST}:{self.port}{slash}{path}"

    def cut(self, seconds: float) -> None:
        """Cut the network now; returns when it is whole again. Raises `Trouble`."""
        assert self._process is not None
        assert self._process.stdin is not None
        with self._one_at_a_time:
            try:
                self._process.stdin.write(f"cut {seconds:g}\n")
                self._process.stdin.flush()
            except (OSError, ValueError) as error:  # ValueError: after the context
                raise Trouble(f"the proxy has ended: {error}") from None
            self._heard("whole")

    def _heard(self, word: str) -> str:
        """What it says next, after this word. Raises `Trouble`."""
        assert self._process is not None
        assert self._process.stdout is not None
        said, _, rest = self._process.stdout.readline().strip().partition(" ")
        if said != word:
            raise Trouble("the proxy has ended")
        return rest

    def _end(self) -> None:
        """Without its input it ends by itself."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


# the process


async def serve(target: tuple[str, int], directory: Path) -> None:
    """Pass on until the input ends: lines `cut SECONDS`. Says its port, and when it is whole."""
    async with Proxy(0, target) as proxy:
        _say(f"port {proxy.port}")
        pulse = asyncio.create_task(_tell(proxy, directory / f"health-{WHO}.jsonl"))
        try:
            reader = await _input()
            while line := (await reader.readline()).decode().split():
                await proxy.cut(float(line[1]))
                _say("whole")
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


def _say(text: str) -> None:
    print(text, flush=True)


async def _tell(proxy: Proxy, path: Path) -> None:
    """How it fares, once a second, as every generator tells it."""
    loop = asyncio.get_running_loop()
    cpu_s, at_s = time.process_time(), loop.time()
    while True:
        await asyncio.sleep(PULSE_S)
        now_s, used_s = loop.time(), time.process_time()
        pulse = Pulse(
            at_us=time.time_ns() // 1000,
            cpu_share=round((used_s - cpu_s) / (now_s - at_s), 3),
            lag_ms=round(max(0.0, now_s - at_s - PULSE_S) * 1000, 1),
            sockets=proxy.connections,
            errors=0,
        )
        records.append_line(path, pulse)
        cpu_s, at_s = used_s, now_s


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.rehearsal.proxy")
    parser.add_argument("--target", required=True, help="host:port of the server")
    parser.add_argument("--dir", type=Path, required=True, help="directory of the run")
    options = parser.parse_args(None if arguments is None else list(arguments))
    host, _, port = options.target.rpartition(":")
    raise_open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve((host.strip("[]"), int(port)), options.dir))
    return 0


def _loop_factory() -> Any:
    """uvloop's, where it is installed: it passes on about twice as much."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
