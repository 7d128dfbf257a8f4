"""The writer between a real Redis and both real SQL engines: everything once, nothing dropped."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import orjson
import pytest

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import heads_channel_of, key_of
from flash_sale.model import Act, Steering
from flash_sale.store import StreamEntry
from server.control import CHANNEL
from server.endings import end_tasks
from server.ledger.hints import Hints
from server.ledger.pace import Pace
from server.redis_client import ClientRole, connect
from tests.support.ledger_stage import (
    NOW_MS,
    WITHIN_S,
    CountingBooks,
    LossyStream,
    assert_books_agree,
    buy_many,
    finished,
    running,
    wait_until_written,
    writer_of,
)
from tests.support.proxy import UnixProxy
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]
shop = furnished_shop


# what is written


async def test_everything_sold_is_in_the_ledger_once_and_leaves_the_stream(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 100, "mug": 5})
    async with running(writer_of(shop)):
        await buy_many(shop, sale, 20)
        await wait_until_written(shop, sale)

        async def trimmed() -> bool:
            return await shop.client.xlen(key_of(sale, "ledger")) == 0

        await wait_until(trimmed, WITHIN_S, "the stream is empty")
    await assert_books_agree(shop, sale)


async def test_entries_that_gathered_are_written_in_few_transactions(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 100})
    await buy_many(shop, sale, 30)
    entries = await shop.stream.lag(sale)
    books = CountingBooks(shop.database)
    await finished(writer_of(shop, books=books, ledger_entries_max=20))
    assert sum(books.entries) == entries
    assert len(books.entries) == -(-entries // 20)
    await assert_books_agree(shop, sale)


async def test_a_sale_that_is_armed_while_it_runs_is_found_without_a_hint(shop: Shop) -> None:
    async with running(writer_of(shop)):
        sale = await shop.opened("s1", {"tea": 5})
        await wait_until_written(shop, sale)
    await assert_books_agree(shop, sale)


class OnlyWhenHinted(Pace):
    """Never looks again by itself once it found nothing, unless a hint came during the look."""

    hinted = False

    def hurry(self, now_s: float) -> None:
        super().hurry(now_s)
        self.hinted = True

    def found_nothing(self, now_s: float) -> None:
        super().found_nothing(now_s)
        if not self.hinted:
            self.due_s = math.inf
        self.hinted = False


async def test_what_a_sale_announces_makes_the_writer_look_there(
    shop: Shop, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ledger.writer.Pace", OnlyWhenHinted)
    sale = await shop.opened("s1", {"tea": 50})
    writer = writer_of(shop)
    listener = connect(redis_url, role=ClientRole.LISTENER)
    hints = Hints(listener, writer, subscribe_within_s=5)
    listening = [asyncio.create_task(work) for work in (hints.run(), hints.feed.run())]

    async def heard() -> bool:
        channels = await shop.client.execute_command("PUBSUB", "SHARDCHANNELS")
        return {heads_channel_of(sale).encode(), CHANNEL.encode()} == set(channels)

    async with running(writer):
        await wait_until_written(shop, sale)
        await wait_until(heard, WITHIN_S, "its announcements are listened to")
        await buy_many(shop, sale, 3)
        await wait_until_written(shop, sale)
    await assert_books_agree(shop, sale)
    await end_tasks(listening)
    await listener.aclose()


async def test_a_word_of_another_worker_makes_it_look_for_a_new_sale(
    shop: Shop, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ledger.writer.DISCOVER_EVERY_S", 3_600)
    listener = connect(redis_url, role=ClientRole.LISTENER)
    writer = writer_of(shop)
    hints = Hints(listener, writer, subscribe_within_s=5)
    listening = [asyncio.create_task(work) for work in (hints.run(), hints.feed.run())]

    async def told() -> bool:
        word = orjson.dumps({"kind": "sale", "sale": "s1"})
        return bool(await shop.client.execute_command("SPUBLISH", CHANNEL, word))

    async with running(writer):
        await wait_until(told, WITHIN_S, "somebody listens")
        sale = await shop.opened("s1", {"tea": 50})
        await told()
        await wait_until_written(shop, sale)
    await assert_books_agree(shop, sale)
    await end_tasks(listening)
    await listener.aclose()


async def test_many_sales_are_written_side_by_side(shop: Shop) -> None:
    sales = [await shop.opened(f"s{number}", {"tea": 50}) for number in range(8)]
    async with running(writer_of(shop)):
        await asyncio.gather(*(buy_many(shop, sale, 10) for sale in sales))
        for sale in sales:
            await wait_until_written(shop, sale)
    for sale in sales:
        await assert_books_agree(shop, sale)


async def test_finish_writes_all_streams_and_then_returns(shop: Shop) -> None:
    sales = [await shop.opened(f"s{number}", {"tea": 50}) for number in range(3)]
    for sale in sales:
        await buy_many(shop, sale, 4)
    await finished(writer_of(shop, ledger_entries_max=2))
    for sale in sales:
        assert await shop.stream.lag(sale) == 0
        await assert_books_agree(shop, sale)


# what comes again


async def test_what_was_read_before_a_crash_is_written_first(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 50})
    await buy_many(shop, sale, 5)
    read = await shop.stream.read(sale, "ledger-1", 3)  # and the worker that read it is gone
    assert len(read) == 3
    await finished(writer_of(shop))
    assert await shop.stream.lag(sale) == 0
    await assert_books_agree(shop, sale)


async def test_a_lost_acknowledgement_costs_a_repetition_and_no_more(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 50})
    await buy_many(shop, sale, 5)
    books = CountingBooks(shop.database)
    stream = LossyStream(shop.client, 1)
    entries = await stream.lag(sale)
    await finished(writer_of(shop, books=books, stream=stream))
    assert sum(books.entries) == 2 * entries
    assert await shop.stream.lag(sale) == 0
    await assert_books_agree(shop, sale)


async def test_two_writers_share_a_stream_and_every_move_is_stored_once(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 200})
    writers = [writer_of(shop, f"ledger-{number}", ledger_entries_max=3) for number in (1, 2)]
    async with running(*writers):
        await buy_many(shop, sale, 40)
        await wait_until_written(shop, sale)
    await assert_books_agree(shop, sale)


async def test_what_a_dead_writer_left_is_taken_over_by_another_one(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 50})
    await buy_many(shop, sale, 5)
    left = await shop.stream.read(sale, "ledger-2", 3)
    async with running(writer_of(shop, ledger_claim_idle_s=1)):
        await wait_until_written(shop, sale)
    assert len(left) == 3
    await assert_books_agree(shop, sale)


@pytest.mark.parametrize("command", [b"$1\r\n>\r\n", b"XAUTOCLAIM", b"XACK", b"XPENDING", b"XTRIM"])
async def test_a_command_whose_reply_is_lost_holds_nothing_up(
    shop: Shop, redis_url: str, tmp_path: Path, command: bytes
) -> None:
    """The client sends it again; what its first reading was given is given to the second."""
    sale = await shop.opened("s1", {"tea": 50})
    await buy_many(shop, sale, 10)
    async with UnixProxy(tmp_path, Path(redis_url.removeprefix("unix://"))) as proxy:
        client = connect(proxy.url)
        proxy.lose_replies(1, to=command)
        stream = RedisLedgerStream(client)
        writer = writer_of(shop, stream=stream, ledger_claim_idle_s=10 * WITHIN_S)
        async with running(writer):
            await wait_until_written(shop, sale)
            await wait_until(lambda: proxy.replies_lost, WITHIN_S, "the reply is lost")
        await client.aclose()
    await assert_books_agree(shop, sale)


@pytest.mark.parametrize("command", ["XINFO", "XPENDING", "XACK"])
async def test_trimming_leaves_what_another_writer_reads_meanwhile(
    shop: Shop, command: str
) -> None:
    sale = await shop.opened("s1", {"tea": 50})
    first = await shop.stream.read(sale, "ledger-1", 100)
    read_meanwhile: list[StreamEntry] = []

    class Meddling:
        """The client, after whose `command` another writer reads what is new."""

        async def execute_command(self, *words: object) -> object:
            answer = await shop.client.execute_command(*words)  # type: ignore[arg-type]
            if words[0] == command and not read_meanwhile:
                await shop.buy(sale, "ann")
                read_meanwhile.extend(await shop.stream.read(sale, "ledger-2", 100))
            return answer

    stream = RedisLedgerStream(Meddling())  # type: ignore[arg-type]
    await stream.committed(sale, [entry.id for entry in first])
    assert read_meanwhile
    assert await shop.stream.read(sale, "ledger-2", 100) == read_meanwhile


async def test_moves_after_a_sale_was_settled_are_found_and_written(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    decision = await shop.buy(sale, "ann")
    assert decision.order is not None
    await shop.pay(decision.order.id)
    await shop.steer(sale, Steering.CLOSE)
    await finished(writer_of(shop))
    assert await shop.records.settle(sale, NOW_MS)
    await shop.store.refund(decision.order.id, Act("a", "boss", "merchant"), restock=True)
    await finished(writer_of(shop))
    await assert_books_agree(shop, sale)
    assert (await shop.orders.books(sale))["tea"].refunded == 1  # type: ignore[index]
