"""Money that is owed back goes to the payment provider, as often as it takes.

The id of a refund takes effect once there, so that a crash between the provider's yes and our
note of it costs a repetition and no more.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from server.database.errors import DatabaseUnavailable
from server.database.sale_words import Refund
from server.payments import PaymentProvider, ProviderRefused, ProviderUnavailable

_LOG = logging.getLogger("onair.refunds")

LOOK_EVERY_S = 1.0
AT_ONCE = 8
RETRY_S = 2.0
RETRY_S_MAX = 3_600.0


class RefundsOwed(Protocol):
    """What this needs of `server.database.ledger_records.Ledger`."""

    async def due(self, now_ms: int, limit: int) -> list[Refund]: ...

    async def refund_done(self, refund_id: str, now_ms: int) -> None: ...

    async def refund_failed(
        self, refund_id: str, error: str, next_at_ms: int, given_up: bool
    ) -> None: ...


class Refunds:
    """Start it with `run`. Several may run: a refund that is sent twice takes effect once."""

    def __init__(
        self,
        owed: RefundsOwed,
        provider: PaymentProvider,
        *,
        attempts_max: int,
        now_ms: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._owed = owed
        self._provider = provider
        self._attempts_max = attempts_max
        self._now_ms = now_ms
        self._chance = chance

    async def run(self) -> None:
        """Send what is due until cancelled. While SQL is away nothing is sent."""
        while True:
            try:
                sent = await self.send_due()
            except DatabaseUnavailable as error:
                _LOG.warning("refunds wait: %s", error)
                sent = 0
            if sent < AT_ONCE:
                await asyncio.sleep(LOOK_EVERY_S)

    async def send_due(self) -> int:
        """Send up to `AT_ONCE` refunds that are due; returns how many were tried."""
        due = await self._owed.due(self._now_ms(), AT_ONCE)
        sent = (self._send(refund) for refund in due)
        for error in await asyncio.gather(*sent, return_exceptions=True):
            if error is not None:  # the others were sent all the same
                raise error
        return len(due)

    async def _send(self, refund: Refund) -> None:
        try:
            await self._provider.refund(
                refund.id,
                refund.payment_id,
                refund.order_id,
                refund.amount_minor,
                refund.currency,
            )
        except ProviderRefused as error:
            await self._failed(refund, str(error), given_up=True)
        except Exception as error:  # a bug with one refund must not end the ledger worker
            if not isinstance(error, ProviderUnavailable):
                _LOG.exception("refund %s stumbled", refund.id)
            given_up = refund.attempts + 1 >= self._attempts_max
            await self._failed(refund, str(error) or type(error).__name__, given_up=given_up)
        else:
            await self._owed.refund_done(refund.id, self._now_ms())

    async def _failed(self, refund: Refund, why: str, *, given_up: bool) -> None:
        if given_up:
            _LOG.critical(
                "ALARM: refund %s of order %s is given up: %s", refund.id, refund.order_id, why
            )
        else:
            _LOG.warning("refund %s is tried again: %s", refund.id, why)
        next_at_ms = self._now_ms() + int(self._pause_s(refund.attempts) * 1000)
        await self._owed.refund_failed(refund.id, why, next_at_ms, given_up)

    def _pause_s(self, attempts: int) -> float:
        """Doubling, capped, with jitter: what failed together does not come back together."""
        pause_s = min(RETRY_S_MAX, RETRY_S * 2.0 ** min(attempts, 30))
        return pause_s * (1 - self._chance() / 2)
