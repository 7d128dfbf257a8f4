"""`onair serve` on a Redis that fails over, for tests that kill parts of that Redis.

Never two of them on one Redis at a time: the ledger worker of one would read the other's streams.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.model import SaleId
from tests.support.live_server import LiveServer
from tests.support.redis_cluster import Cluster
from tests.support.redis_sentinels import SentinelGroup
from tests.support.sale_stage import Stage


def failover_shop(
    nodes: Cluster | SentinelGroup,
    directory: pytest.TempPathFactory,
    durability: str = "replicated",
) -> Iterator[LiveServer]:
    """A server with two workers and a ledger worker on nodes that are well and empty."""
    nodes.heal()
    nodes.empty()
    server = LiveServer(
        directory.mktemp("shop"),
        command="serve",
        ONAIR_REDIS_URL=nodes.url,
        ONAIR_DURABILITY=durability,
        ONAIR_PAYMENT_PROVIDER="demo",
        ONAIR_LOG_LEVEL="warning",
        ONAIR_WORKERS="2",
    )
    server.start()
    yield server
    server.end()


def key_in(stage: Stage) -> str:
    """A key of the stage's sale: where it is, all of the sale is."""
    return key_of(SaleId(stage.sale), "sale")
