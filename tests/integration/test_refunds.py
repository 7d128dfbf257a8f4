"""Money owed back, from both real SQL engines to a provider that has good and bad days."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from flash_sale.model import MoveKind, OrderState, PaymentOutcome
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.database.records import Ledger
from server.database.sale_tables import refunds as refund_rows
from server.endings import end_tasks
from server.ledger.refunds import AT_ONCE, RETRY_S, RETRY_S_MAX, Refunds
from server.payments import ProviderRefused, ProviderUnavailable
from server.payments.demo import DemoProvider
from tests.support.ledger_parts import History, make_sale, new_order
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]


@dataclass
class MoodyProvider:
    """Answers as it is told to, then well; keeps the ids it was asked for, and gives each once."""

    moods: list[Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    given: dict[str, tuple[str, str, int, str]] = field(default_factory=dict)
    name: str = "moody"

    async def refund(
        self, refund_id: str, payment_id: str, order_id: str, amount_minor: int, currency: str
    ) -> None:
        self.asked.append(refund_id)
        if self.moods:
            raise self.moods.pop(0)
        self.given.setdefault(refund_id, (payment_id, order_id, amount_minor, currency))


@dataclass
class Clock:
    """Milliseconds that pass when the test says so."""

    now_ms: int = 1_900_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    await make_sale(database)
    return Ledger(database)


def refunds_of(
    ledger: Ledger, provider: MoodyProvider | DemoProvider, clock: Clock, attempts_max: int = 20
) -> Refunds:
    return Refunds(ledger, provider, attempts_max=attempts_max, now_ms=clock, chance=lambda: 0.0)


async def owe(ledger: Ledger, users: Iterable[str]) -> None:
    """One refund for each of these buyers: they paid, and their orders were refunded."""
    history = History()
    history.put_on_sale(1_000)
    for user in users:
        order = new_order(user=user)
        history.add(MoveKind.RESERVED, order)
        history.pay(order, f"pay-{user}")
        order = history.orders[order.id]
        history.become(order, OrderState.REFUNDED, MoveKind.REFUNDED, restock="1", reason="")
    await ledger.apply("s1", [history.moves])


async def stored(database: Database) -> list[tuple[str, int, str]]:
    """State, attempts and last error of every refund."""
    query = sa.select(refund_rows.c.state, refund_rows.c.attempts, refund_rows.c.last_error)
    rows = await database.run(lambda connection: connection.execute(query).all(), reads_only=True)
    return [(row.state, row.attempts, row.last_error) for row in rows]


async def test_what_is_owed_is_sent_once_with_all_its_facts(
    database: Database, ledger: Ledger, clock: Clock
) -> None:
    await owe(ledger, ["ann"])
    provider = MoodyProvider()
    refunds = refunds_of(ledger, provider, clock)
    assert await refunds.send_due() == 1
    assert await refunds.send_due() == 0
    ((payment_id, order_id, amount_minor, currency),) = provider.given.values()
    assert (payment_id, amount_minor, currency) == ("pay-ann", 100, "CNY")
    assert order_id == new_order(user="ann").id
    assert await stored(database) == [("done", 1, "")]


@pytest.mark.parametrize(
    "outcome", [PaymentOutcome.LATE, PaymentOutcome.SURPLUS, PaymentOutcome.MISMATCH]
)
async def test_a_payment_that_was_not_accepted_is_given_back(
    ledger: Ledger, clock: Clock, outcome: PaymentOutcome
) -> None:
    history = History()
    history.put_on_sale(10)
    order = new_order()
    history.add(MoveKind.RESERVED, order)
    history.owe(order, "pay-too-much", outcome)
    await ledger.apply("s1", [history.moves])
    provider = MoodyProvider()
    assert await refunds_of(ledger, provider, clock).send_due() == 1
    ((payment_id, _order, amount_minor, _currency),) = provider.given.values()
    assert payment_id == "pay-too-much"
    assert amount_minor == (101 if outcome is PaymentOutcome.MISMATCH else 100)


async def test_while_the_provider_is_away_it_is_asked_ever_less_often_with_the_same_id(
    database: Database, ledger: Ledger, clock: Clock
) -> None:
    await owe(ledger, ["ann"])
    provider = MoodyProvider([ProviderUnavailable("no answer")] * 14)
    refunds = refunds_of(ledger, provider, clock)
    pause_s = RETRY_S
    for attempt in range(1, 15):
        assert await refunds.send_due() == 1
        assert await stored(database) == [("due", attempt, "no answer")]
        clock.now_ms += int(pause_s * 1000) - 1
        assert await refunds.send_due() == 0, "it waits"
        clock.now_ms += 1
        pause_s = min(pause_s * 2, RETRY_S_MAX)
    assert pause_s == RETRY_S_MAX
    assert await refunds.send_due() == 1
    assert len(set(provider.asked)) == 1
    assert len(provider.given) == 1
    assert await stored(database) == [("done", 15, "")]


async def test_after_the_last_attempt_it_is_given_up_with_an_alarm(
    database: Database, ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await owe(ledger, ["ann"])
    provider = MoodyProvider([ProviderUnavailable("no answer")] * 3)
    refunds = refunds_of(ledger, provider, clock, attempts_max=3)
    for _ in range(3):
        assert await refunds.send_due() == 1
        clock.now_ms += 3_600_000
    assert await refunds.send_due() == 0
    assert await stored(database) == [("failed", 3, "no answer")]
    assert "ALARM: refund" in caplog.text


async def test_a_no_of_the_provider_is_final_and_holds_up_no_other_refund(
    database: Database, ledger: Ledger, clock: Clock
) -> None:
    await owe(ledger, ["ann", "bob"])
    provider = MoodyProvider([ProviderRefused("the account is closed")])
    assert await refunds_of(ledger, provider, clock).send_due() == 2
    assert sorted(await stored(database)) == [
        ("done", 1, ""),
        ("failed", 1, "the account is closed"),
    ]


async def test_two_that_send_at_the_same_time_give_each_payment_back_once(
    database: Database, ledger: Ledger, clock: Clock
) -> None:
    users = [f"user-{number}" for number in range(2 * AT_ONCE)]
    await owe(ledger, users)
    provider = MoodyProvider()
    tasks = [asyncio.create_task(refunds_of(ledger, provider, clock).run()) for _ in range(2)]

    async def all_done() -> bool:
        return all(state == "done" for state, _attempts, _error in await stored(database))

    await wait_until(all_done, 20, "every refund is done")
    await end_tasks(tasks)
    assert {payment_id for payment_id, *_ in provider.given.values()} == {
        f"pay-{user}" for user in users
    }
    assert len(provider.given) == len(users)


@pytest.mark.parametrize("mark", ["refund_done", "refund_failed"])
async def test_sql_that_goes_away_after_the_provider_was_asked_costs_a_repetition_and_no_more(
    ledger: Ledger,
    database: Database,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    mark: str,
) -> None:
    await owe(ledger, ["ann", "bob"])
    provider = MoodyProvider([ProviderUnavailable("no answer")] * (mark == "refund_failed"))
    really = getattr(ledger, mark)
    away = True

    async def marked(*facts: object) -> None:
        if away:
            raise DatabaseUnavailable("mark a refund", "the server is stopping")
        await really(*facts)

    monkeypatch.setattr(ledger, mark, marked)
    task = asyncio.create_task(refunds_of(ledger, provider, clock).run())
    await wait_until(lambda: len(provider.asked) > 2 or task.done(), 10, "they are asked again")
    away = False

    async def all_done() -> bool:
        clock.now_ms += 1_000
        return {state for state, _attempts, _error in await stored(database)} == {"done"}

    await wait_until(all_done, 10, "every refund is done")
    await end_tasks([task])
    assert len(provider.given) == 2


async def test_a_bug_with_one_refund_holds_up_no_other(
    database: Database, ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await owe(ledger, ["ann", "bob"])
    provider = MoodyProvider([ValueError("unknown url type")])
    assert await refunds_of(ledger, provider, clock).send_due() == 2
    assert sorted(await stored(database)) == [("done", 1, ""), ("due", 1, "unknown url type")]
    assert "stumbled" in caplog.text


async def test_the_demo_provider_gives_back_at_once(
    database: Database, ledger: Ledger, clock: Clock
) -> None:
    await owe(ledger, ["ann"])
    assert await refunds_of(ledger, DemoProvider(), clock).send_due() == 1
    assert await stored(database) == [("done", 1, "")]
