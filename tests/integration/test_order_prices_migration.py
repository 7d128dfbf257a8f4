"""A database of before orders had prices of their own: its orders are what they were."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from server.database.engine import Database
from server.database.migrate import migrate
from server.database.order_records import OrderRecords
from server.database.sale_tables import order_lines, orders
from tests.support.ledger_parts import new_order
from tests.support.sql import open_engine

pytest_plugins = ["tests.support.databases"]

NEW_COLUMNS = {"discount_minor", "coupons", "note", "markup_minor"}


def as_before(table: sa.Table) -> sa.TableClause:
    """The table without the columns that it did not have."""
    kept = [column.name for column in table.columns if column.name not in NEW_COLUMNS]
    return sa.table(table.name, *(sa.column(name) for name in kept))


async def test_orders_of_the_version_before_have_no_discount_no_markup_and_no_note(
    empty_database_url: str,
) -> None:
    order = new_order(qty=2)
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        config = Config()
        steps = resources.files("server.database") / "migrations"
        config.set_main_option("script_location", str(steps).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        row = {column.name: getattr(order, column.name, None) for column in as_before(orders).c}
        others = {"sale_id": "s1", "room_id": "demo", "user_id": "ann", "currency": "CNY"}
        stored = row | others | {"state": order.state.value, "epoch": 1, "seq": 1}
        connection.execute(sa.insert(as_before(orders)), stored)
        (line,) = order.lines
        bought = {"sku": line.sku, "qty": line.qty, "price_minor": line.price_minor}
        place = {"order_id": order.id, "position": 0}
        connection.execute(sa.insert(as_before(order_lines)), place | bought)
    engine.dispose()
    migrate(empty_database_url)
    database = Database(empty_database_url, threads_max=1, within_s=5)
    found = await OrderRecords(database).find(order.id)
    assert found is not None
    assert found.order == order
    await database.close()
