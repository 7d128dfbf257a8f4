"""The real store of sales on a real Redis, in the hands of a test: its clock and its stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import key_of
from flash_sale.model import Move, OrderId, SaleId
from server.redis_client import Client
from tests.support.sale_twins import DURABILITY, GRACE_MS, WAITLIST_MAX

STORE_LIMITS = StoreLimits(waitlist_max=WAITLIST_MAX, grace_ms=GRACE_MS)
LONG_AGO_MS = -(10**13)


def sales_on(client: Client, limits: StoreLimits = STORE_LIMITS) -> RedisSales:
    """A store as a worker builds it on the embedded Redis, which syncs before it answers."""
    return RedisSales(client, limits, Durable(DURABILITY, server_syncs=True, within_ms=1_000))


async def set_clock(client: Client, sale: SaleId, now_ms: int) -> None:
    """Stop the clock of a sale at this instant.

    The store never goes back behind the latest instant it has seen, so a clock that is far behind
    stands still there. The sale is in the store.
    """
    key = key_of(sale, "sale")
    await client.execute_command("HSET", key, "skew_ms", LONG_AGO_MS, "clock_ms", now_ms)


class RedisBackend:
    """`tests.support.sale_twins.Backend` on Redis. `disturb_it` is called to disturb the store."""

    def __init__(self, client: Client, disturb_it: Callable[[], Awaitable[object]]) -> None:
        self.sales = sales_on(client)
        self._client = client
        self._disturb_it = disturb_it
        self._stream = RedisLedgerStream(client)
        self._readings = 0

    async def set_clock(self, sale: SaleId, now_ms: int) -> None:
        await set_clock(self._client, sale, now_ms)

    async def now_ms(self) -> int:
        seconds, microseconds = await self._client.execute_command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def moves(self, sale: SaleId) -> list[Move]:
        """Every other time the reader forgets what it has read, as one that was killed."""
        self._readings += 1
        entries = await self._stream.read(sale, "ledger-1", 1_000)
        if self._readings % 2:
            assert await self._stream.read(sale, "ledger-1", 1_000) == entries
        await self._stream.committed(sale, [entry.id for entry in entries])
        assert not any(entry.unreadable for entry in entries), entries
        assert await self._stream.lag(sale) == 0
        return [move for entry in entries for move in entry.moves]

    async def held(self, sale: SaleId) -> set[OrderId]:
        key = key_of(sale, "deadlines")
        tails: list[bytes] = await self._client.execute_command("ZRANGE", key, 0, -1)
        return {OrderId(f"{sale}.{tail.decode()}") for tail in tails}

    async def disturb(self) -> None:
        await self._disturb_it()

    async def close(self) -> None:
        await self._client.aclose()
