"""Decisions in batches: what is asked while one batch is away goes with the next.

No timer: an idle batcher sends at once, and a busy one sends all that has gathered, up to a named
number. One batch is in flight per batcher, so requests are decided in the order they came. The
queue is bounded and says so at the bound. The call to the store belongs to the batcher's task:
whoever asked may go away without breaking a connection in the middle of a command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flash_sale.errors import SaleBusy, SaleStoreUnavailable

_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 0.5

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds: requests waiting, requests per batch, time to get a batch through."""

    waiting_max: int = 10_000
    batch_max: int = 256
    within_s: float = 8


@dataclass(slots=True)
class _Entry(Generic[Asked, Answer]):
    asked: Asked
    answer: asyncio.Future[Answer]
    give_up_s: float  # by the loop's clock


class Batcher(Generic[Asked, Answer]):
    """`decide` answers a batch in order, and may be called again with the same batch.

    A batch whose fate is unknown is sent again until `within_s` after its first request came; then
    its askers, and whoever has waited as long behind it, get `SaleStoreUnavailable` and ask again
    with the same ids. Any other error goes to the askers of its batch.
    """

    def __init__(
        self,
        decide: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]],
        limits: BatchLimits,
    ) -> None:
        self._decide = decide
        self._limits = limits
        self._waiting: list[_Entry[Asked, Answer]] = []
        self._sender: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._sender is None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, asked: Asked) -> asyncio.Future[Answer]:
        """Ask; the future is the answer. Raises `SaleBusy` at the bound: nothing was asked."""
        if len(self._waiting) >= self._limits.waiting_max:
            raise SaleBusy("orders_waiting_max")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(_Entry(asked, answer, loop.time() + self._limits.within_s))
        if self._sender is None:
            self._sender = loop.create_task(self._send_all())
        return answer

    async def drained(self) -> None:
        """Return when everything asked so far has its answer."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    async def close(self) -> None:
        """Stop asking. Who still waits gets `SaleStoreUnavailable`: it may have happened."""
        sender = self._sender
        while sender is not None and not sender.done():
            sender.cancel()  # again if need be: Python 3.11 may swallow the first one
            await asyncio.wait([sender], timeout=1)
        self._fail(self._waiting, SaleStoreUnavailable("the server is stopping"))
        self._waiting = []

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                most = self._limits.batch_max
                batch, self._waiting = self._waiting[:most], self._waiting[most:]
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: list[_Entry[Asked, Answer]]) -> None:
        try:
            answers = await self._decided(batch)
        except BaseException as error:
            stopping = SaleStoreUnavailable("the server is stopping")
            self._fail(batch, error if isinstance(error, Exception) else stopping)
            if not isinstance(error, Exception):
                raise
            if isinstance(error, SaleStoreUnavailable):
                self._give_up(error)
            return
        for entry, answer in zip(batch, answers, strict=True):
            if not entry.answer.done():
                entry.answer.set_result(answer)

    async def _decided(self, batch: list[_Entry[Asked, Answer]]) -> Sequence[Answer]:
        loop = asyncio.get_running_loop()
        asked, pause_s = [entry.asked for entry in batch], _RETRY_FIRST_S
        while True:
            try:
                return await self._decide(asked)
            except SaleStoreUnavailable:
                if loop.time() + pause_s > batch[0].give_up_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MAX_S)

    def _give_up(self, error: SaleStoreUnavailable) -> None:
        """Who has waited as long fails too: batch after batch they would wait many times that."""
        last_try_s = asyncio.get_running_loop().time() + _RETRY_MAX_S
        over = [entry for entry in self._waiting if entry.give_up_s <= last_try_s]
        self._waiting = self._waiting[len(over) :]  # they came in order
        self._fail(over, error)

    @staticmethod
    def _fail(entries: Sequence[_Entry[Asked, Answer]], error: Exception) -> None:
        for entry in entries:
            if not entry.answer.done():
                entry.answer.set_exception(error)
                entry.answer.exception()  # whoever asked may be gone
