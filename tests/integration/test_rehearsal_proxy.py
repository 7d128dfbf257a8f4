"""The proxy of a rehearsal: it passes everything on, cuts everything off, and comes back."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from loadtest.rehearsal import aftermath
from loadtest.rehearsal.proxy import WHO, Gateway, Proxy
from loadtest.rehearsal.records import Pulse, Sample, read_lines, write_samples
from loadtest.rehearsal.trouble import Trouble
from tests.support.wait import wait_until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets; it counts who is there and what it has read."""

    def __init__(self) -> None:
        self.port = 0
        self.here = 0
        self.read_bytes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.here += 1
        try:
            while data := await reader.read(65_536):
                self.read_bytes += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.here -= 1
            writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[Echo]:
    echo = Echo()
    async with await asyncio.start_server(echo.serve, "127.0.0.1", 0) as server:
        echo.port = server.sockets[0].getsockname()[1]
        yield echo
        await wait_until(lambda: echo.here == 0, 20, "everybody has gone")


async def says(port: int, text: bytes) -> bytes:
    """What comes back for a text on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        return await reader.readexactly(len(text))
    finally:
        writer.close()


async def is_whole(port: int) -> bool:
    try:
        return await says(port, b"hello") == b"hello"
    except (OSError, asyncio.IncompleteReadError):
        return False


async def has_ended(reader: asyncio.StreamReader) -> None:
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)


async def test_bytes_come_back_as_they_were_sent() -> None:
    async with echoing() as echo, Proxy(0, ("127.0.0.1", echo.port)) as proxy:
        texts = [bytes([number]) * 100_000 for number in range(20)]
        assert await asyncio.gather(*(says(proxy.port, text) for text in texts)) == texts
        await wait_until(lambda: proxy.connections == 0, 20, "all have hung up")


async def test_who_reads_nothing_is_not_read_from_either() -> None:
    whole = b"x" * 30_000_000
    async with echoing() as echo, Proxy(0, ("127.0.0.1", echo.port)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(whole)
        before = -1

        def stands_still() -> bool:
            nonlocal before
            now, before = echo.read_bytes == before, echo.read_bytes
            return now and before > 0

        for _ in range(20):
            await wait_until(stands_still, 20, "the server can send no more")
        assert echo.read_bytes < len(whole)
        assert await reader.readexactly(len(whole)) == whole
        writer.close()


async def test_a_cut_resets_who_is_there_and_who_comes_and_then_it_is_whole_again() -> None:
    async with echoing() as echo, Proxy(0, ("127.0.0.1", echo.port)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        cut = asyncio.create_task(proxy.cut(3_600))
        await has_ended(reader)
        await wait_until(lambda: echo.here == 0, 20, "the server has heard of it")
        assert not await is_whole(proxy.port)
        cut.cancel()
        await wait_until(lambda: is_whole(proxy.port), 20, "it is whole")
        writer.close()


async def test_a_server_that_is_not_there_is_a_reset() -> None:
    async with echoing() as echo:
        nowhere = ("127.0.0.1", echo.port)
    async with Proxy(0, nowhere) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await has_ended(reader)
        writer.close()


async def test_leaving_the_proxy_hangs_up_on_everybody() -> None:
    async with echoing() as echo:
        async with Proxy(0, ("127.0.0.1", echo.port)) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"hello")
            await reader.readexactly(5)
        await has_ended(reader)
        writer.close()


# the process


async def test_the_process_passes_on_cuts_and_tells_how_it_fares(tmp_path: Path) -> None:
    async with echoing() as echo:
        health = tmp_path / f"health-{WHO}.jsonl"
        gateway = Gateway(f"http://127.0.0.1:{echo.port}/rehearsal", tmp_path)
        await asyncio.to_thread(gateway.__enter__)
        try:
            through = gateway.through(f"ws://127.0.0.1:{echo.port}/rehearsal/socket?a=b")
            assert through == f"ws://127.0.0.1:{gateway.port}/rehearsal/socket?a=b"
            port = urllib.parse.urlsplit(through).port
            assert port is not None
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            cutting = asyncio.create_task(asyncio.to_thread(gateway.cut, 0.5))
            await has_ended(reader)
            writer.close()
            await cutting
            assert await is_whole(port)
            await wait_until(health.exists, 20, "it has told")
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)
    assert all(pulse.cpu_share >= 0 for pulse in read_lines(tmp_path, "health-*.jsonl", Pulse))
    with pytest.raises(Trouble, match="the proxy has ended"):
        gateway.cut(1)


# what the crowd felt


def test_requests_that_failed_in_a_drill_are_counted_once(tmp_path: Path) -> None:
    def sample(at_s: float, outcome: str, took_s: float = 0.1) -> Sample:
        took_us = round(took_s * 1e6)
        return Sample("rpc", "order.place", round(at_s * 1e6), 0, took_us, outcome, "rh-u000001")

    crowd = [
        sample(10.5, "error 503"),
        sample(11, "unknown"),
        sample(9, "error 500", took_s=3),  # it was going on when the drill began
        sample(10.6, "ok"),
        sample(10.7, "sold_out"),
        sample(10.8, "error 429"),  # by the rules
        sample(5, "error 503"),
        sample(30, "unknown"),
    ]
    write_samples(tmp_path / "samples-locust-1.csv", crowd[:4])
    write_samples(tmp_path / "samples-locust-2.csv", crowd[4:])
    with (tmp_path / "samples-locust-2.csv").open("a") as file:
        file.write("rpc,order.place,107")  # is being written
    assert aftermath.failures(tmp_path, 10, 20) == 3
    assert aftermath.failures(tmp_path / "nobody", 10, 20) == 0
