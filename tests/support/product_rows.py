"""Rows of the table of products: the plainest thing that a transaction can leave behind."""

from __future__ import annotations

import sqlalchemy as sa

from server.database.tables import products
from tests.support.sql import open_engine


def insert(product_id: str, connection: sa.Connection) -> None:
    """Add one product in the transaction of this connection."""
    row = {"title": "Tea", "price_minor": 1, "currency": "CNY", "image_url": ""}
    connection.execute(sa.insert(products), {"id": product_id, **row})


def stored_ids(url: str) -> list[str]:
    """The products that everybody can see, by id."""
    engine = open_engine(url)
    with engine.connect() as connection:
        ids = list(connection.execute(sa.select(products.c.id).order_by(products.c.id)).scalars())
    engine.dispose()
    return ids
