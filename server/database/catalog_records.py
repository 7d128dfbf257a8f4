"""Products in SQL. They are created and read; a product that was shown once does not change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import Product, ProductId, Sku, SkuId, is_id
from server.database.engine import Database
from server.database.errors import DuplicateId
from server.database.tables import product_skus, products


class CatalogRecords:
    """The catalogue. Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, product: Product) -> Product:
        """Store a new product and give it back. `DuplicateId` if its id is taken."""

        def work(connection: sa.Connection) -> None:
            row = {
                "id": product.id,
                "title": product.title,
                "price_minor": product.price_minor,
                "currency": product.currency,
                "image_url": product.image_url,
            }
            try:
                connection.execute(sa.insert(products), row)
            except exc.IntegrityError as error:
                raise DuplicateId(product.id) from error
            skus = [
                {
                    "product_id": product.id,
                    "sku": sku.sku,
                    "position": position,
                    "title": sku.title,
                    "price_minor": sku.price_minor,
                }
                for position, sku in enumerate(product.skus)
            ]
            connection.execute(sa.insert(product_skus), skus)

        await self._database.run(work, attempt=f"store product {product.id}")
        return product

    async def find(self, product_id: str) -> Product | None:
        """One product, or None."""
        found = await self.find_many([product_id])
        return found[0] if found else None

    async def find_many(self, product_ids: Iterable[str]) -> list[Product]:
        """The products that exist, in the order asked for, each once."""
        wanted = [product_id for product_id in dict.fromkeys(product_ids) if is_id(product_id)]
        if not wanted:
            return []

        def work(connection: sa.Connection) -> list[Product]:
            found = read_products(connection, wanted)
            return [found[product_id] for product_id in wanted if product_id in found]

        return await self._database.run(work, attempt="read products", reads_only=True)

    async def page(self, after_id: str | None, limit: int) -> list[Product]:
        """Up to `limit` products by id, those after `after_id`; None starts at the first."""

        def work(connection: sa.Connection) -> list[Product]:
            query = sa.select(products.c.id).order_by(products.c.id).limit(limit)
            if after_id:
                query = query.where(products.c.id > after_id)
            ids = connection.execute(query).scalars().all()
            found = read_products(connection, ids)
            return [found[product_id] for product_id in ids]

        return await self._database.run(work, attempt="list products", reads_only=True)


def read_products(connection: sa.Connection, product_ids: Sequence[str]) -> dict[str, Product]:
    """The products of these ids that exist, by id, inside a transaction of the caller."""
    if not product_ids:
        return {}
    skus: dict[str, list[Sku]] = {}
    rows = connection.execute(
        sa.select(product_skus)
        .where(product_skus.c.product_id.in_(product_ids))
        .order_by(product_skus.c.product_id, product_skus.c.position)
    )
    for row in rows:
        sku = Sku(SkuId(row.sku), row.title, row.price_minor)
        skus.setdefault(row.product_id, []).append(sku)
    rows = connection.execute(sa.select(products).where(products.c.id.in_(product_ids)))
    return {
        row.id: Product(
            ProductId(row.id),
            row.title,
            row.price_minor,
            row.currency,
            row.image_url,
            tuple(skus[row.id]),
        )
        for row in rows
    }
