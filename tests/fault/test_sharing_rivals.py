"""Several workers do the same to rewards, coupons and commissions at once, on both real engines.

Each rival has connections of its own, as a process has. Whatever overtakes what, the books agree
and everything was done once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import pytest
import sqlalchemy as sa

from flash_sale.commission import Plan
from flash_sale.model import MoveKind, OrderState
from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState
from rooms.sharing.visits import Piece
from server.database.arrival_records import Arrivals
from server.database.binding_records import Bindings
from server.database.claim_records import Claim, ClaimRecords
from server.database.commission_records import CommissionRecords, decide_due, release_due
from server.database.coupon_records import Batch, CouponRecords
from server.database.engine import Database, DatabaseUnavailable
from server.database.grant_records import expire, open_packet, redeem
from server.database.ladder_tables import arrivals, ladder_grants
from server.database.ladder_words import AlreadyRedeemed, NotOpenable
from server.database.records import Ledger
from server.database.visit_records import write_pieces
from server.ledger.settling import Settling
from tests.support.ladder_town import BEAT_GAP_MS, DAY_MS, IDLE_S, NOW_MS, ROOM, Guest, Town
from tests.support.ledger_parts import History, new_order
from tests.support.sharing_books import complaints
from tests.support.sharing_machine import BROUGHT, LATER_MS
from tests.support.sharing_shop import (
    BIT,
    INVITERS,
    SALE,
    SMALL,
    asked_for,
    furnish_sale,
    make_links,
    resale_order,
)

pytest_plugins = ["tests.support.databases"]
T = TypeVar("T")
RIVALS = 4
TRIES = 60


@pytest.fixture
async def rivals(database_url: str) -> AsyncIterator[list[Database]]:
    """Connections of several processes."""
    opened = [Database(database_url, threads_max=3, within_s=20) for _ in range(RIVALS)]
    yield opened
    for database in opened:
        await database.close()


@pytest.fixture
async def town(database: Database) -> Town:
    """A room with a small ladder, a sale, links and coupons."""
    town = Town(database)
    await town.furnish(SMALL)
    await furnish_sale(database)
    await CouponRecords(database).create(Batch(BIT, issue_max=6, per_user_max=3))
    await database.run(make_links)
    return town


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Asked again as long as the database says that it could not just now."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except DatabaseUnavailable:
            await asyncio.sleep(0)
    return await ask()


async def at_once(
    rivals: Sequence[Database], works: Sequence[Callable[[sa.Connection], T]]
) -> list[T | Exception]:
    """Every piece of work in a transaction of its own, on one rival after the other, all at once.

    What the product refuses comes back as its exception.
    """
    found = await asyncio.gather(
        *(
            patiently(partial(rivals[number % len(rivals)].run, work))
            for number, work in enumerate(works)
        ),
        return_exceptions=True,
    )
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, (NotOpenable, AlreadyRedeemed)):
            raise one
    return [
        one for one in found if not isinstance(one, BaseException) or isinstance(one, Exception)
    ]


async def settled(database: Database) -> None:
    assert await database.run(complaints, reads_only=True) == []


def written(guests: Sequence[Guest], at_ms: int) -> list[list[Piece]]:
    return [sorted(one.pieces(at_ms), key=lambda piece: piece.received_at_ms) for one in guests]


def store(pieces: list[Piece], connection: sa.Connection) -> None:
    follow = (Bindings(30, 90).follow, Arrivals(IDLE_S).follow)
    write_pieces(connection, pieces, BEAT_GAP_MS, follow)


async def test_writers_and_judges_who_overtake_each_other_judge_and_give_everything_once(
    town: Town, rivals: list[Database], seed: int
) -> None:
    chance = random.Random(seed)
    inviters = sorted(set(INVITERS) - {"wen"})
    guests = [
        Guest(
            f"g{number}",
            inviter=inviters[number % 3],
            channel=INVITERS[inviters[number % 3]],
            user=f"m{number}",
        )
        for number in range(24)
    ]
    stories = written(guests, NOW_MS)
    now_ms = NOW_MS + 200_000

    def judge(connection: sa.Connection) -> None:
        town.court.judge_due(connection, now_ms, now_ms, 3)

    works = [partial(store, story) for story in stories for _ in range(2)] + [judge] * 24
    chance.shuffle(works)
    await at_once(rivals, works)
    for _ in range(10):
        await at_once(rivals, [judge] * RIVALS)
    await settled(town.database)
    query = sa.select(arrivals.c.verdict, sa.func.count()).group_by(arrivals.c.verdict)
    verdicts = await town.database.run(lambda c: {row[0]: row[1] for row in c.execute(query)})
    assert verdicts == {Verdict.VALID: 16, Verdict.CHANNEL_POLICY: 8}
    grants = sa.select(ladder_grants.c.tier, sa.func.count()).where(
        ladder_grants.c.state != GrantState.MISSED
    )
    given = await town.database.run(
        lambda c: {row[0]: row[1] for row in c.execute(grants.group_by(ladder_grants.c.tier))}
    )
    assert given == {0: 2, 1: 2, 2: 2, 3: 2, 4: 1}  # all of the stock, and no more


async def test_packets_and_vouchers_asked_for_by_everybody_at_once_are_handed_out_once(
    town: Town, rivals: list[Database], seed: int
) -> None:
    for inviter in ("ann", "ben"):
        await town.bring(4, inviter=inviter)
    query = sa.select(ladder_grants).where(ladder_grants.c.state == GrantState.GRANTED)
    rows = await town.database.run(lambda c: c.execute(query).all())
    packets = [row for row in rows if row.kind == "red_packet"]
    (code,) = [row.code for row in rows if row.code]
    assert len(packets) == 2
    now_ms = town.now_ms
    opening = [
        partial(open_packet, grant=row.id, user=row.user_id, now_ms=now_ms)
        for row in packets
        for _ in range(5)
    ]
    opening.append(
        partial(open_packet, grant=packets[0].id, user=packets[0].user_id, now_ms=now_ms)
    )
    redeeming = [
        partial(redeem, code=code, request_id=f"r{number % 3}", now_ms=now_ms)
        for number in range(9)
    ]
    works = [*opening, *redeeming]
    random.Random(seed).shuffle(works)
    answers = await at_once(rivals, works)
    await settled(town.database)
    done = [one for one in answers if not isinstance(one, Exception)]
    amounts = {(one.id, one.value_minor) for one in done if one.kind.value == "red_packet"}
    assert len(amounts) == 2
    assert sum(amount for _, amount in amounts) == 777
    assert sum(isinstance(one, AlreadyRedeemed) for one in answers) == 6  # of two other requests


async def test_a_packet_that_is_opened_when_it_lapses_is_either_opened_or_given_back(
    town: Town, rivals: list[Database], seed: int
) -> None:
    for inviter in ("ann", "ben"):
        await town.bring(3, inviter=inviter)
    query = sa.select(ladder_grants).where(ladder_grants.c.kind == "red_packet")
    packets = await town.database.run(lambda c: c.execute(query).all())
    in_time_ms, late_ms = town.now_ms, town.now_ms + 8 * DAY_MS
    works: list[Callable[[sa.Connection], object]] = [
        partial(open_packet, grant=row.id, user=row.user_id, now_ms=in_time_ms)
        for row in packets
        for _ in range(3)
    ]
    works += [partial(expire, now_ms=late_ms, limit=10)] * 4
    random.Random(seed).shuffle(works)
    await at_once(rivals, works)
    await settled(town.database)
    left = await town.database.run(lambda c: Counter(row.state for row in c.execute(query)))
    assert left.total() == 2
    assert left.keys() <= {"opened", "expired"}


async def test_one_coupon_wanted_by_many_orders_at_once_is_held_by_one_of_them(
    town: Town, rivals: list[Database], seed: int
) -> None:
    coupons = CouponRecords(town.database)
    mine = [await coupons.grant("bit", "m0", f"gift-{n}", NOW_MS) for n in range(3)]
    assert None not in mine
    orders = [new_order(SALE, "m0", f"r{number}", qty=2) for number in range(8)]
    asked = [asked_for(order, str(mine[number % 3])) for number, order in enumerate(orders)]
    random.Random(seed).shuffle(asked)
    answers = await asyncio.gather(
        *(
            patiently(partial(ClaimRecords(rivals[number % RIVALS]).claim, [one], NOW_MS))
            for number, one in enumerate(asked * 2)
        )
    )
    await settled(town.database)
    won = {
        one.purchase.order_id
        for one, (answer,) in zip(asked * 2, answers, strict=True)
        if isinstance(answer, Claim)
    }
    assert len(won) == 3
    issued = await asyncio.gather(
        *(
            patiently(
                partial(
                    CouponRecords(rivals[number % RIVALS]).grant,
                    "bit",
                    f"m{number}",
                    f"c{number}",
                    1,
                )
            )
            for number in range(12)
        )
    )
    await settled(town.database)
    assert sum(one is not None for one in issued) == 3  # six in all


async def test_commissions_decided_released_and_refunded_at_once_are_paid_once_or_not_at_all(
    town: Town, rivals: list[Database], seed: int
) -> None:
    chance = random.Random(seed)
    await CommissionRecords(town.database).set_plan(ROOM, Plan(1_000, 500, 0), NOW_MS)
    await town.database.run(
        partial(_bring_buyers, [Guest(f"b{n}", user=f"m{n}") for n in range(6)])
    )
    history = History(SALE)
    history.put_on_sale(1_000)
    for number in range(6):
        order = resale_order(new_order(SALE, f"m{number}", "r1", qty=2, at_ms=NOW_MS + 90_000))
        history.add(MoveKind.RESERVED, order)
        history.pay(order, f"pay-{number}")
    paid = len(history.moves)
    for order in list(history.orders.values())[:3]:
        kind, facts = MoveKind.REFUNDED, {"restock": "1", "reason": ""}
        history.become(order, OrderState.REFUNDED, kind, **facts)
    later_ms = NOW_MS + 10 * DAY_MS

    def decide(connection: sa.Connection) -> None:
        decide_due(connection, BROUGHT, LATER_MS, later_ms, 2)

    def release(connection: sa.Connection) -> None:
        release_due(connection, later_ms, 2)

    async def take_in(number: int, most: int) -> None:
        ledger = Ledger(rivals[number % RIVALS], (Settling(lambda: later_ms).follow,))
        await patiently(partial(ledger.apply, SALE, [history.moves[:most]]))

    await asyncio.gather(*(take_in(number, paid) for number in range(3)))
    works = [decide, release] * 9
    chance.shuffle(works)
    refunding = [take_in(number, len(history.moves)) for number in range(3)]
    await asyncio.gather(at_once(rivals, works), *refunding)
    for _ in range(6):
        await at_once(rivals, [decide, release])
    await settled(town.database)
    earned = await CommissionRecords(town.database).page(None, 100)
    available = [one for one in earned if one.state == "available"]
    assert len(available) == 6  # three orders are paid still: an inviter's share and a markup each
    assert all(one.state == "reversed" for one in earned if one not in available)


def _bring_buyers(guests: Sequence[Guest], connection: sa.Connection) -> None:
    for story in written(guests, NOW_MS):
        store(story, connection)
