"""Which products have a sku: sales name skus, and the same sku may belong to several products."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from flash_sale.catalog import Product, is_id
from server.database.catalog_records import read_products
from server.database.engine import Database
from server.database.tables import product_skus

PRODUCTS_OF_SKUS_MAX = 1_000


async def products_of_skus(database: Database, skus: Iterable[str]) -> dict[str, list[Product]]:
    """By sku, the products that have it, by id; skus that nobody has are absent.

    Reads at most PRODUCTS_OF_SKUS_MAX pairs of sku and product. Raises `DatabaseUnavailable`.
    """
    wanted = [sku for sku in dict.fromkeys(skus) if is_id(sku)]
    if not wanted:
        return {}

    def work(connection: sa.Connection) -> dict[str, list[Product]]:
        pairs = connection.execute(
            sa.select(product_skus.c.sku, product_skus.c.product_id)
            .where(product_skus.c.sku.in_(wanted))
            .order_by(product_skus.c.sku, product_skus.c.product_id)
            .limit(PRODUCTS_OF_SKUS_MAX)
        ).all()
        found = read_products(connection, list({pair.product_id for pair in pairs}))
        products: dict[str, list[Product]] = {}
        for pair in pairs:
            products.setdefault(pair.sku, []).append(found[pair.product_id])
        return products

    return await database.run(work, attempt="find the products of skus", reads_only=True)
