"""`onair serve` on a Redis that fails over, for tests that kill parts of that Redis.

Never two of them on one Redis at a time: the ledger worker of one would read the other's streams.
"""

from __future__ import annotations

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.model import SaleId
from tests.support.live_server import LiveServer
from tests.support.sale_stage import Stage


def failover_shop(
    directory: pytest.TempPathFactory, url: str, durability: str = "replicated"
) -> LiveServer:
    """Two workers and a ledger worker, not started. `url` is that of the Redis."""
    return LiveServer(
        directory.mktemp("shop"),
        command="serve",
        ONAIR_REDIS_URL=url,
        ONAIR_DURABILITY=durability,
        ONAIR_PAYMENT_PROVIDER="demo",
        ONAIR_LOG_LEVEL="warning",
        ONAIR_WORKERS="2",
    )


def key_in(stage: Stage) -> str:
    """A key of the stage's sale: where it is, all of the sale is."""
    return key_of(SaleId(stage.sale), "sale")
