"""Ledger workers as processes: killed at every point, stopped, orphaned; SQL and Redis away."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from flash_sale.adapters.script import key_of
from flash_sale.model import OrderId, OrderState, SaleId
from server.database.engine import Database
from server.database.records import Ledger
from server.redis_client import connect
from tests.support.dying_ledger import POINTS
from tests.support.ledger_app import LedgerApp
from tests.support.ledger_stage import assert_books_agree, wait_until_written
from tests.support.redis_server import RedisServer
from tests.support.shop import Shop
from tests.support.sql import on_server, open_engine
from tests.support.wait import wait_until
from tests.support.worker_app import WorkerApp

pytest_plugins = ["tests.support.databases"]

WITHIN_S = 30
Open = Callable[..., LedgerApp]


@pytest.fixture
async def shop(own_redis: RedisServer, database: Database) -> AsyncIterator[Shop]:
    client = connect(own_redis.url)
    shop = Shop(client, database)
    await shop.furnish()
    yield shop
    await client.aclose()


@pytest.fixture
def ledger_app(tmp_path: Path, own_redis: RedisServer, database_url: str) -> Iterator[Open]:
    """`ledger_app(**limits)` is a ledger worker that was not started yet."""
    apps: list[LedgerApp] = []

    def open_one(**limits: int) -> LedgerApp:
        app = LedgerApp(tmp_path, own_redis.url, database_url, **limits)
        apps.append(app)
        return app

    yield open_one
    for app in apps:
        app.end()


@dataclass
class Crowd:
    """Buyers who buy and pay, one after the other; what was answered to them."""

    shop: Shop
    sale: SaleId
    answered: dict[OrderId, OrderState] = field(default_factory=dict)

    async def buy(self, count: int) -> None:
        for _ in range(count):
            number = len(self.answered)
            decision = await self.shop.buy(self.sale, f"user-{number}")
            assert decision.order is not None
            self.answered[decision.order.id] = decision.order.state
            if number % 3 == 0:
                paid = await self.shop.pay(decision.order.id)
                assert paid.order is not None
                self.answered[decision.order.id] = paid.order.state

    async def buy_while(self, going_on: Callable[[], bool]) -> None:
        """Until it is no more so; nobody is left without an answer."""
        async with asyncio.timeout(WITHIN_S):
            while going_on():
                await self.buy(1)

    async def assert_all_in_the_ledger(self) -> None:
        """Each order that was answered is in the ledger once, in the state of its last answer."""
        rows = await self.shop.orders.page(None, 100_000)
        assert {row.order.id: row.order.state for row in rows} == self.answered
        await assert_books_agree(self.shop, self.sale)
        assert await Ledger(self.shop.database).set_aside_count() == 0


async def ended(app: LedgerApp) -> int:
    """Wait until the worker has ended; its exit code."""
    await wait_until(lambda: app.code is not None, WITHIN_S, "the worker has ended")
    assert app.code is not None
    return app.code


# killed


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_any_point_loses_nothing_and_repeats_nothing(
    shop: Shop, ledger_app: Open, point: str, seed: int
) -> None:
    chance = random.Random(f"{point} {seed}")
    sale = await shop.opened("s1", {"tea": 10_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(ledger_idle_ms=1, ledger_entries_max=chance.choice((1, 5, 64)))
    for _ in range(2):
        app.start("tests.support.dying_ledger", point, str(chance.randint(1, 6)))
        await crowd.buy_while(lambda: app.code is None)
        assert app.code == -signal.SIGKILL, app.errors
    app.start()
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()


async def test_a_worker_killed_at_random_instants_loses_nothing(
    shop: Shop, ledger_app: Open, seed: int
) -> None:
    chance = random.Random(seed)
    sale = await shop.opened("s1", {"tea": 10_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(ledger_idle_ms=1)
    for _ in range(2):
        app.start()
        lived = len(crowd.answered) + chance.randint(1, 60)
        await crowd.buy_while(lambda enough=lived: len(crowd.answered) < enough)  # type: ignore[misc]
        app.send(signal.SIGKILL)
        await ended(app)
    app.start()
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()


async def test_what_a_stopped_worker_has_in_hand_is_written_by_another_one_once(
    shop: Shop, ledger_app: Open, database_url: str
) -> None:
    sale = await shop.opened("s1", {"tea": 100})
    crowd = Crowd(shop, sale)
    first = ledger_app(number=1, ledger_claim_idle_s=1).start()
    await wait_until_written(shop, sale)
    engine = open_engine(database_url)
    with engine.connect() as other:
        lock_out_writers(other)
        await crowd.buy(3)
        await wait_until(lambda: in_hand(shop, sale, "ledger-1"), WITHIN_S, "it has entries")
        first.freeze()
        other.rollback()
    ledger_app(number=2, ledger_claim_idle_s=1).start()
    await wait_until_written(shop, sale)
    await crowd.buy(3)
    first.send(signal.SIGCONT)
    await crowd.buy(3)
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()
    engine.dispose()


def lock_out_writers(connection: sa.Connection) -> None:
    """Until it is rolled back, nobody else can write to the ledger."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("LOCK TABLE sales IN EXCLUSIVE MODE")


async def in_hand(shop: Shop, sale: SaleId, consumer: str) -> bool:
    """Whether a consumer has read entries that are not committed."""
    key = key_of(sale, "ledger")
    return bool(await shop.client.xpending_range(key, "ledger", "-", "+", 10, consumer))


# asked to stop, and left alone


async def test_on_sigterm_it_writes_what_the_streams_hold_and_ends_with_0(
    shop: Shop, ledger_app: Open
) -> None:
    sales = [await shop.opened(f"s{number}", {"tea": 1_000}) for number in range(3)]
    app = ledger_app(ledger_entries_max=2)
    for sale in sales:
        await Crowd(shop, sale).buy(30)
    app.start()
    app.send(signal.SIGTERM)
    assert await ended(app) == 0, app.errors
    for sale in sales:
        assert await shop.stream.lag(sale) == 0
        await assert_books_agree(shop, sale)
    assert app.errors == ""


async def test_when_its_supervisor_is_gone_it_writes_and_ends_too(
    shop: Shop, ledger_app: Open
) -> None:
    sale = await shop.opened("s1", {"tea": 1_000})
    app = ledger_app()
    await Crowd(shop, sale).buy(30)
    app.start()
    app.lose_parent()
    assert await ended(app) == 0, app.errors
    assert await shop.stream.lag(sale) == 0


async def test_with_sql_locked_it_stops_in_time_and_the_next_start_goes_on(
    shop: Shop, ledger_app: Open, database_url: str
) -> None:
    sale = await shop.opened("s1", {"tea": 1_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(drain_seconds=1, database_within_s=1).start()
    await wait_until_written(shop, sale)
    engine = open_engine(database_url)
    with engine.connect() as other:
        lock_out_writers(other)
        await crowd.buy(5)
        app.send(signal.SIGTERM)
        assert await ended(app) == 0, app.errors
        assert await shop.stream.lag(sale) > 0
        other.rollback()
    assert "stopped before all streams were written" in app.errors
    app.start()
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()
    engine.dispose()


# what it needs is away


async def test_sales_go_on_while_sql_is_locked_and_all_is_written_after(
    shop: Shop, ledger_app: Open, database_url: str
) -> None:
    sale = await shop.opened("s1", {"tea": 100_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(database_within_s=1).start()
    await wait_until_written(shop, sale)
    engine = open_engine(database_url)
    with engine.connect() as other:
        lock_out_writers(other)
        await crowd.buy_while(lambda: "nothing can be written" not in app.errors)
        lag = await shop.stream.lag(sale)
        await crowd.buy(20)
        assert await shop.stream.lag(sale) >= lag + 20
        other.rollback()
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()
    assert app.code is None
    engine.dispose()


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_sales_go_on_while_postgres_lets_nobody_in_and_all_is_written_after(
    shop: Shop, ledger_app: Open, database_url: str, postgres_url: str
) -> None:
    name = sa.make_url(database_url).database
    sale = await shop.opened("s1", {"tea": 100_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(database_within_s=1).start()
    await wait_until_written(shop, sale)
    on_server(postgres_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    on_server(
        postgres_url,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    await crowd.buy_while(lambda: "nothing can be written" not in app.errors)
    await crowd.buy(20)
    assert await shop.stream.lag(sale) >= 20
    on_server(postgres_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()
    assert app.code is None


async def test_redis_killed_and_started_again_loses_nothing_that_was_answered(
    shop: Shop, ledger_app: Open, own_redis: RedisServer
) -> None:
    sale = await shop.opened("s1", {"tea": 1_000})
    crowd = Crowd(shop, sale)
    app = ledger_app(ledger_entries_max=3).start()
    for _ in range(3):
        await crowd.buy(20)
        await asyncio.to_thread(own_redis.kill)
        await asyncio.to_thread(own_redis.wait_until_up)
    await crowd.buy(5)
    await wait_until_written(shop, sale)
    await crowd.assert_all_in_the_ledger()
    assert app.code is None


# seen from the web


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_web_worker_says_whether_the_ledger_follows_and_serves_on_without_it(
    shop: Shop, ledger_app: Open, own_redis: RedisServer, database_url: str, tmp_path: Path
) -> None:
    sale = await shop.opened("s1", {"tea": 10})
    web = WorkerApp(tmp_path, own_redis.url, database_url)
    await asyncio.to_thread(web.start)
    try:

        async def said() -> str:
            answer = await asyncio.to_thread(web.call, "GET", "/readyz")
            assert answer["ready"], "the ledger takes no traffic away"
            return str(answer["ledger"])

        async def says(word: str) -> bool:
            return (await said()).startswith(word)

        assert await says("down")
        app = ledger_app().start()
        await wait_until(lambda: says("ok"), WITHIN_S, "the ledger is seen")
        await Crowd(shop, sale).buy(3)
        await wait_until_written(shop, sale)
        samples = (
            'onair_ledger_up{consumer="ledger-1"} 1.0',
            f'onair_ledger_lag_entries{{sale="{sale}"}} 0.0',
            f'onair_sale_units{{sale="{sale}",sku="tea",state="available"}} 7.0',
            f'onair_sale_books_agree{{sale="{sale}"}} 1.0',
        )

        async def shown() -> bool:
            text = await asyncio.to_thread(web.text, "/metrics")
            return all(f"{sample}\n" in text for sample in samples)

        await wait_until(shown, WITHIN_S, "the books are among the metrics")
        app.send(signal.SIGKILL)
        await wait_until(lambda: says("down"), WITHIN_S, "its silence is noticed")
    finally:
        web.end()
