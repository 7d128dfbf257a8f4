"""The store of running sales as the settings want it, for every process that needs one."""

from __future__ import annotations

from flash_sale.adapters.confirmed import Durable, RedisClient
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.redis_stream import RedisLedgerStream
from server.settings import Settings


def sale_store(client: RedisClient, settings: Settings) -> RedisSales:
    """Purchases, payments and steering. The client is the caller's to close."""
    limits = settings.limits
    return RedisSales(
        client,
        StoreLimits(
            waitlist_max=limits.waitlist_max,
            refusals_kept_ms=limits.refusals_kept_s * 1000,
            refusals_kept_max=limits.refusals_kept_max,
            orders_per_buyer_max=limits.orders_per_buyer_max,
            grace_ms=limits.payment_grace_ms,
        ),
        durable_of(settings),
    )


def ledger_stream(client: RedisClient, settings: Settings) -> RedisLedgerStream:
    """The streams of sales, for whoever writes them into SQL."""
    return RedisLedgerStream(client, durable_of(settings))


def durable_of(settings: Settings) -> Durable:
    """The embedded Redis syncs by itself as `durability` says; of others it is asked each time."""
    return Durable(
        settings.durability,
        server_syncs=settings.redis_url is None,
        within_ms=settings.limits.redis_within_ms * 4 // 5,  # the client itself waits longer
        replicas=settings.limits.replicas_confirm,
    )
