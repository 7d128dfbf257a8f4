"""The store of running sales as the settings want it, for every process that needs one."""

from __future__ import annotations

from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.script import Durable, RedisClient
from server.settings import Settings


def sale_store(client: RedisClient, settings: Settings) -> RedisSales:
    """The embedded Redis syncs by itself as `durability` says; of others it is asked each time."""
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
        Durable(
            settings.durability,
            server_syncs=settings.redis_url is None,
            within_ms=limits.redis_within_ms * 4 // 5,  # the client itself waits longer
        ),
    )
