"""`replicated`: an answer is given once a replica has it on disk, and not before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest

from flash_sale.adapters.confirmed import Argument, Durable
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import key_of
from flash_sale.catalog import ProductId, SkuId
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import (
    Act,
    Item,
    Line,
    Outcome,
    Purchase,
    SaleId,
    Steering,
    Terms,
    order_id_of,
)
from server.redis_client import Client, connect
from tests.support.redis_server import plain_redis
from tests.support.sale_talk import reached
from tests.support.wait import wait_until

T = TypeVar("T")
SALE, MUG = SaleId("s1"), SkuId("mug")
ON_DISK = ("--appendonly", "yes", "--appendfsync", "always")


def buying(user: str) -> Purchase:
    return Purchase(order_id_of(SALE, user, "r1"), user, "r1", (Line(MUG, 1),))


async def linked(client: Client) -> bool:
    facts = await client.info("replication")
    return int(facts["connected_slaves"]) == 1 and facts["slave0"]["state"] == "online"


async def test_an_order_is_answered_when_a_replica_has_it_on_disk_and_not_before() -> None:
    with plain_redis(*ON_DISK) as port:
        client = connect(f"redis://127.0.0.1:{port}")
        durable = Durable("replicated", server_syncs=False, within_ms=500)
        store = RedisSales(client, StoreLimits(), durable)
        try:
            with plain_redis(*ON_DISK, "--replicaof", "127.0.0.1", str(port)) as replica_port:
                await wait_until(lambda: linked(client), 20, "the replica follows")
                item = Item(MUG, ProductId("mug"), "Mug", 5, 100, 1)
                terms = Terms(SALE, "room", "CNY", (item,), hold_ms=60_000, offer_ms=1_000)
                await reached(lambda: store.arm(terms, Act("arm", "m", "merchant"), {}))
                await reached(lambda: store.steer(SALE, Steering.OPEN, Act("open", "h", "host")))
                decided = await reached(lambda: store.reserve(SALE, [buying("ann")]))
                assert decided.decisions[0].outcome is Outcome.RESERVED
                assert decided.decisions[0].order is not None
                assert decided.decisions[0].order.durability == "replicated"
                there = connect(f"redis://127.0.0.1:{replica_port}")
                assert await there.hlen(f"{{sale:{SALE}}}:orders") == 1
                await there.aclose()
            with pytest.raises(SaleStoreUnavailable, match="0 replicas"):
                await store.reserve(SALE, [buying("ben")])
            assert (await store.view(SALE)).items[0].initial == 5  # who only looks is not kept
            with plain_redis(*ON_DISK, "--replicaof", "127.0.0.1", str(port)):
                await wait_until(lambda: linked(client), 20, "another replica follows")
                again = await reached(lambda: store.reserve(SALE, [buying("ben")]))
                assert again.decisions[0].outcome is Outcome.RESERVED
                assert (await store.view(SALE)).items[0].reserved == 2
        finally:
            await client.aclose()


class LostMeanwhile(RedisLedgerStream):
    """Between being shown entries and claiming them, `lose` happens: another server is asked."""

    def __init__(self, client: Client, lose: Callable[[], Awaitable[object]]) -> None:
        super().__init__(client, Durable("always", server_syncs=False, within_ms=500))
        self._lose = lose

    async def _grouped(
        self, sale: SaleId, *commands: Sequence[Argument], durable: Durable | None = None
    ) -> list[Any]:
        if commands[0][0] == "XCLAIM":
            await self._lose()
        return await super()._grouped(sale, *commands, durable=durable)


async def test_entries_that_a_promoted_server_does_not_have_are_not_given_to_the_ledger() -> None:
    with plain_redis(*ON_DISK) as port:
        client = connect(f"redis://127.0.0.1:{port}")
        ledger = key_of(SALE, "ledger")
        for _ in range(2):
            await client.xadd(ledger, {"epoch": "1", "moves": "-"})
        kept, lost = await RedisLedgerStream(client).read(SALE, "me", 10)
        try:
            stream = LostMeanwhile(client, lambda: client.xdel(ledger, lost.id))
            assert [one.id for one in await stream.read(SALE, "me", 10)] == [kept.id]
            stream = LostMeanwhile(client, client.flushall)
            assert await stream.read(SALE, "me", 10) == []
        finally:
            await client.aclose()
