"""What the store still has of a sale that is over goes, once nobody asks for it any more."""

from __future__ import annotations

from redis.exceptions import RedisError

from flash_sale.adapters.confirmed import RedisClient
from flash_sale.adapters.script import keys_of
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import SaleId


class RedisRetirement:
    """Until then refunds and late payments find it here; afterwards the ledger has it all."""

    def __init__(self, client: RedisClient, kept_s: int) -> None:
        self._client = client
        self._kept_s = kept_s

    async def retire(self, sale: SaleId) -> None:
        """Let every key of the sale lapse together, `kept_s` from now; said again it begins anew.

        Raises `SaleStoreUnavailable`.
        """
        try:
            seconds, _ = await self._client.time()
            for key in keys_of(sale):
                await self._client.expireat(key, int(seconds) + self._kept_s)
        except (RedisError, OSError, TimeoutError) as error:
            raise SaleStoreUnavailable(f"retire sale {sale}: {error}") from error
