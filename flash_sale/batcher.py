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


class Batcher(Generic[Asked, Answer]):
    """`decide` answers a batch in order, and may be called again with the same batch.

    A batch whose fate is unknown is sent again until the time is up; then its askers get
    `SaleStoreUnavailable` and ask again with the same ids. Any other error goes to its askers.
    """

    def __init__(
        self,
        decide: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]],
        limits: BatchLimits,
    ) -> None:
        self._decide = decide
        self._limits = limits
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
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
        self._waiting.append((asked, answer))
        if self._sender is None:
            self._sender = loop.create_task(self._send_all())
        return answer

    async def drained(self) -> None:
        """Return when everything asked so far has its answer."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                most = self._limits.batch_max
                batch, self._waiting = self._waiting[:most], self._waiting[most:]
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._decided([asked for asked, _ in batch])
        except BaseException as error:
            lost = SaleStoreUnavailable("the server is stopping")
            told = error if isinstance(error, Exception) else lost
            for _, future in batch:
                if not future.done():
                    future.set_exception(told)
                    future.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _decided(self, batch: list[Asked]) -> Sequence[Answer]:
        deadline_s = asyncio.get_running_loop().time() + self._limits.within_s
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return await self._decide(batch)
            except SaleStoreUnavailable:
                if asyncio.get_running_loop().time() + pause_s > deadline_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MAX_S)
