"""Buyers in a process of their own: `python -m loadtest.bench.buyers_process PORT ROOM`.

While thousands of viewers call at once, the generator's loop is late; whoever buys on the same
loop would tell of that as the server's. One JSON line on standard input for each thing to do, one
on standard output when it is done: first `{"tokens": [[user, token], ...]}`, answered by `{}`, then
any number of `{"sale", "sku", "count", "per_s"}`, answered by `loadtest.buyers.Answers`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any, Final

import uvloop

from loadtest.buyers import Answers, Party
from loadtest.samples import Spread

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
FIRST: Final = -5  # niceness: an order is sent when it is due, however busy the viewers' process is


class BuyersApart:
    """The other end of the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def buy(self, sale: str, sku: str, count: int, per_s: float) -> Answers:
        """As `loadtest.buyers.Party.buy`. Raises `OSError` if the process is gone."""
        told = {"sale": sale, "sku": sku, "count": count, "per_s": per_s}
        return answers_of(await self._ask(told))

    async def join(self, tokens: Sequence[tuple[str, str]]) -> None:
        """As `loadtest.buyers.Party.join`."""
        await self._ask({"tokens": list(tokens)})

    async def _ask(self, told: dict[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise ConnectionError("the buyers' process ended; see what it wrote above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def buyers_apart(port: int, room: str) -> AsyncIterator[BuyersApart]:
    """Start the process; it has ended when this returns."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(port), room,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX,
    )  # fmt: skip
    try:
        yield BuyersApart(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()  # which tells it to end
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def answers_of(value: dict[str, Any]) -> Answers:
    """Answers from their JSON."""
    spreads = {name: Spread(**value[name]) for name in ("late_ms", "behind_ms")}
    return Answers(**(value | spreads))


async def _serve(port: int, room: str) -> None:
    party = Party(port, room)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            told = json.loads(line)
            answer: dict[str, Any] = {}
            if "tokens" in told:
                await party.join([(user, token) for user, token in told["tokens"]])
            else:
                answer = asdict(await party.buy(**told))
            print(json.dumps(answer), flush=True)
    finally:
        await party.leave()


if __name__ == "__main__":
    gc.disable()
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
