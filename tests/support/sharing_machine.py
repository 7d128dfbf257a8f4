"""Everything that can happen to arrivals, rewards, coupons and commissions, in any order and twice.

A Hypothesis machine over SQL with the product's own functions: after every step the books of
`tests.support.sharing_books` must agree, what was told must stand, and sources must add up.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flash_sale.commission import Plan
from flash_sale.model import MoveKind, Order, OrderId, OrderState
from rooms.sharing.policy import default_policies
from rooms.sharing.visits import Piece
from server.database.arrival_records import Arrivals
from server.database.binding_records import Bindings
from server.database.claim_records import Asked, Claim, ClaimRecords, Declined
from server.database.commission_records import CommissionRecords, decide_due, release_due
from server.database.coupon_records import Batch, CouponRecords
from server.database.coupon_tables import coupons
from server.database.engine import Database, sqlite_url
from server.database.grant_records import open_packet
from server.database.ladder_tables import arrivals, ladder_grants
from server.database.ladder_words import AlreadyRedeemed, NotOpenable, UnknownGrant
from server.database.records import Ledger
from server.database.source_records import By, SourceRecords
from server.database.visit_records import write_pieces
from server.ledger.commissions import brought_by_bindings
from server.ledger.settling import Settling
from server.sharing.notes import note_of
from tests.support.ladder_town import BEAT_GAP_MS, DAY_MS, IDLE_S, NOW_MS, ROOM, Guest, Town
from tests.support.ledger_parts import History, new_order
from tests.support.sharing_books import complaints
from tests.support.sharing_shop import (
    BIT,
    BUYERS,
    INVITERS,
    SALE,
    SMALL,
    asked_for,
    furnish_sale,
    make_links,
    resale_order,
    visit_of,
)

T = TypeVar("T")
BROUGHT = brought_by_bindings(default_policies())
LATER_MS = 2**52
_TURNS = {
    "pay": (OrderState.RESERVED,),
    "cancel": (OrderState.RESERVED,),
    "expire": (OrderState.RESERVED,),
    "refund": (OrderState.PAID,),
}


class SharingMachine(RuleBasedStateMachine):
    """`template` is a migrated SQLite file. What a rule takes is chosen by its place in a list."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="sharing-"))
        path = self.directory / "shop.sqlite3"
        shutil.copy(self.template, path)
        self.runner = asyncio.Runner()
        self.database = Database(sqlite_url(path), threads_max=1, within_s=10)
        self.town = Town(self.database)
        self.history = History(SALE)
        self.ledger = Ledger(self.database, (Settling(lambda: self.town.now_ms).follow,))
        self.claims = ClaimRecords(self.database)
        self.written = 0  # moves of the history that the ledger has taken in
        self.told: list[list[Piece]] = []
        self.verdicts: dict[str, str] = {}
        self.kinds: set[str] = set()  # of what was given
        self.amounts: dict[str, int] = {}
        self.redeemed: dict[str, str] = {}
        self.asked: dict[OrderId, tuple[Asked, int]] = {}
        self.undecided: list[OrderId] = []
        self.gone: list[OrderId] = []
        self.run(self._furnish())

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.directory)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        return self.run(self.database.run(work))

    async def _furnish(self) -> None:
        await self.town.furnish(SMALL)
        await CouponRecords(self.database).create(Batch(BIT, issue_max=8, per_user_max=3))
        await furnish_sale(self.database)
        self.history.put_on_sale(1_000)
        plan = Plan(1_000, 500, 7 * DAY_MS)
        await CommissionRecords(self.database).set_plan(ROOM, plan, NOW_MS)
        await self.database.run(make_links)

    # people come, and are judged

    @rule(
        inviter=st.sampled_from(sorted(INVITERS)),
        user=st.sampled_from(["", "member", "ann", "ben"]),
        stays=st.booleans(),
        acts=st.booleans(),
        same_device=st.booleans(),
    )
    def come(self, inviter: str, user: str, stays: bool, acts: bool, same_device: bool) -> None:
        """Somebody, who may be no real one."""
        self._come(inviter, user, stays, acts, same_device)

    @rule(inviter=st.sampled_from(["ann", "ann", "ann", "ben", "dora"]), count=st.integers(1, 4))
    def bring(self, inviter: str, count: int) -> None:
        """Real ones come, and are soon judged."""
        for _ in range(count):
            self._come(inviter, "member", True, True, False)
        self.run(self.town.judge())

    def _come(self, inviter: str, user: str, stays: bool, acts: bool, same_device: bool) -> None:
        number = len(self.told)
        guest = Guest(
            f"g{number}",
            inviter=inviter,
            channel=INVITERS[inviter],
            user=f"m{number}" if user == "member" else user,
            device=f"d-g{number - 1}" if same_device and number else None,
            stay_ms=61_000 if stays else 5_000,
            acts_after_ms=2_000 if acts else None,
        )
        pieces = sorted(guest.pieces(self.town.now_ms), key=lambda one: one.received_at_ms)
        self.told.append(pieces)
        self._write(pieces)

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0, 99))
    def tell_again(self, which: int) -> None:
        self._write(self.told[which % len(self.told)])

    def _write(self, pieces: list[Piece]) -> None:
        follow = (Bindings(30, 90).follow, Arrivals(IDLE_S).follow)
        self.transact(lambda c: write_pieces(c, pieces, BEAT_GAP_MS, follow))
        self.town.now_ms = max(self.town.now_ms, pieces[-1].received_at_ms + 1)

    @rule(after_ms=st.sampled_from([0, 61_000, 61_000, 700_000]), limit=st.sampled_from([1, 1_000]))
    def judge(self, after_ms: int, limit: int) -> None:
        self.run(self.town.judge(after_ms=after_ms, limit=limit))

    @precondition(lambda self: len(self.told) > 7)  # not much comes after it
    @rule()
    def end_the_ladder(self) -> None:
        self.town.now_ms = max(self.town.now_ms, SMALL.ends_at_ms)
        self.run(self.town.close())

    # rewards

    @precondition(lambda self: "red_packet" in self.kinds)
    @rule(which=st.integers(0, 99), whose=st.sampled_from(["own", "own", "another's"]))
    def open_a_packet(self, which: int, whose: str) -> None:
        query = sa.select(ladder_grants.c.id, ladder_grants.c.user_id, ladder_grants.c.state)
        is_packet = (ladder_grants.c.kind == "red_packet") & (ladder_grants.c.state != "missed")
        query = query.where(is_packet).order_by(ladder_grants.c.id)
        packets = self.transact(lambda c: c.execute(query).all())
        grant, user, state = packets[which % len(packets)]
        person = user if whose == "own" else "somebody"
        work = partial(open_packet, grant=grant, user=person, now_ms=self.town.now_ms)
        try:
            amount = self.transact(work).value_minor
        except UnknownGrant:
            assert person != user
            return
        except NotOpenable:
            assert state != "opened"
            return
        assert person == user
        assert self.amounts.setdefault(grant, amount) == amount

    @rule(days=st.sampled_from([0, 0, 8]))
    def expire(self, days: int) -> None:
        self.town.now_ms += days * DAY_MS
        self.run(self.town.expire())

    @precondition(lambda self: "voucher" in self.kinds)
    @rule(which=st.integers(0, 99), request=st.sampled_from(["r1", "r2"]))
    def redeem(self, which: int, request: str) -> None:
        query = sa.select(ladder_grants.c.code).where(ladder_grants.c.code.is_not(None))
        codes = self.transact(lambda c: sorted(c.execute(query).scalars()))
        code = codes[which % len(codes)]
        try:
            self.run(self.town.rewards.redeem(code, request, self.town.now_ms))
        except AlreadyRedeemed:
            assert self.redeemed.get(code) not in (None, request)
            return
        assert self.redeemed.setdefault(code, request) == request

    # coupons and orders

    @rule(user=st.sampled_from(BUYERS), number=st.integers(0, 3))
    def grant_a_coupon(self, user: str, number: int) -> None:
        records = CouponRecords(self.database)
        first = self.run(records.grant("bit", user, f"gift-{user}-{number}", self.town.now_ms))
        again = self.run(records.grant("bit", user, f"gift-{user}-{number}", self.town.now_ms))
        assert first == again

    @rule(user=st.sampled_from(BUYERS), request=st.integers(0, 3), which=st.integers(0, 99))
    def claim(self, user: str, request: int, which: int) -> None:
        """Ask for an order with one coupon, whatever became of it or of the request before."""
        query = sa.select(coupons.c.id).where(coupons.c.user_id == user)
        mine = self.transact(lambda c: sorted(c.execute(query).scalars()))
        if not mine:
            return
        order = new_order(SALE, user, f"r{request}", qty=2)
        known = self.asked.get(order.id)
        asked = known[0] if known else asked_for(order, mine[which % len(mine)])
        (answer,) = self.run(self.claims.claim([asked], self.town.now_ms))
        if isinstance(answer, Declined):
            assert known is None
            return
        assert isinstance(answer, Claim)
        if known is None:
            self.asked[order.id] = (asked, answer.discount_minor)
            self.undecided.append(order.id)
        assert answer.discount_minor == self.asked[order.id][1]

    @precondition(lambda self: self.undecided)
    @rule(which=st.integers(0, 99), reserved=st.sampled_from([True, True, False]))
    def the_store_decides(self, which: int, reserved: bool) -> None:
        id = self.undecided.pop(which % len(self.undecided))
        asked, discount_minor = self.asked[id]
        if not reserved:
            self.gone.append(id)
            self.run(self.claims.give_back([id], self.town.now_ms))
            return
        purchase = asked.purchase
        order = new_order(SALE, purchase.user, purchase.request_id, qty=2, at_ms=self.town.now_ms)
        self._place(resale_order(order, discount_minor, asked.coupons))

    @rule(
        user=st.sampled_from(BUYERS),
        request=st.integers(0, 3),
        turn=st.sampled_from([*_TURNS, "refund"]),
        looks=st.integers(0, 2),
    )
    def buy(self, user: str, request: int, turn: str, looks: int) -> None:
        """An order with a coupon goes its way; before its last turn the keepers have looked."""
        self.grant_a_coupon(user, request)
        self.claim(user, request, request)
        if self.undecided:
            self.the_store_decides(-1, True)
        if turn == "refund":
            self.change_an_order(-1, "pay")
        for _ in range(looks):
            self.the_ledger_takes_in(50, 0)
            self.keep_commissions(8 * (looks - 1), 100)
        self.change_an_order(-1, turn)

    @rule(user=st.sampled_from(BUYERS), visited=st.booleans())
    def order_without_coupons(self, user: str, visited: bool) -> None:
        order = new_order(SALE, user, f"bare-{self.history.seq}", at_ms=self.town.now_ms)
        self._place(replace(order, note=note_of(visit_of(user), None) if visited else ""))

    def _place(self, order: Order) -> None:
        self.history.add(MoveKind.RESERVED, order)

    @precondition(lambda self: self.gone)
    @rule()
    def give_back_again(self) -> None:
        self.run(self.claims.give_back(self.gone, self.town.now_ms))

    @precondition(lambda self: self.history.orders)
    @rule(which=st.integers(0, 99), what=st.sampled_from(["pay", "pay", *_TURNS]))
    def change_an_order(self, which: int, what: str) -> None:
        known = [o for o in self.history.orders.values() if o.state in _TURNS[what]]
        if not known:
            return
        order = known[which % len(known)]
        match what:
            case "pay":
                self.history.pay(order, f"pay-{order.id}")
            case "cancel":
                self.history.become(order, OrderState.CANCELLED, MoveKind.CANCELLED)
            case "expire":
                self.history.become(order, OrderState.EXPIRED, MoveKind.EXPIRED)
            case "refund":
                restock = {"restock": "1", "reason": ""}
                self.history.become(order, OrderState.REFUNDED, MoveKind.REFUNDED, **restock)

    @precondition(lambda self: self.history.orders)
    @rule(most=st.integers(1, 20), back=st.integers(0, 4))
    def the_ledger_takes_in(self, most: int, back: int) -> None:
        """Some more moves, in one transaction with some that it has already."""
        first = max(0, self.written - back)
        self.written = min(len(self.history.moves), self.written + most)
        some = self.history.moves[first : self.written]
        if some:
            self.run(self.ledger.apply(SALE, [some]))

    @precondition(lambda self: self.written)
    @rule(days=st.sampled_from([0, 0, 8]), limit=st.sampled_from([1, 100]))
    def keep_commissions(self, days: int, limit: int) -> None:
        self.town.now_ms += days * DAY_MS
        now_ms = self.town.now_ms
        self.transact(lambda c: decide_due(c, BROUGHT, LATER_MS, now_ms, limit))
        self.transact(lambda c: release_due(c, now_ms, limit))

    # what must hold after every step

    @invariant()
    def the_books_agree(self) -> None:
        assert self.transact(complaints) == []

    @invariant()
    def a_verdict_is_final(self) -> None:
        query = sa.select(arrivals.c.visit_id, arrivals.c.verdict)
        judged = query.where(arrivals.c.judged_at_ms.is_not(None))
        found = self.transact(lambda c: {row[0]: row[1] for row in c.execute(judged)})
        assert self.verdicts.items() <= found.items()
        self.verdicts = found
        given = sa.select(ladder_grants.c.kind).where(ladder_grants.c.state != "missed")
        self.kinds = self.transact(lambda c: set(c.execute(given).scalars()))

    @invariant()
    def sources_add_up(self) -> None:
        for by in (By.CHANNEL, By.INVITER):
            report = self.run(SourceRecords(self.database).report(by, rooms=None))
            for name in ("orders", "paid_orders", "paid_minor", "refunded_minor"):
                total = sum(getattr(source, name) for source in report.sources)
                assert total == getattr(report.total, name), (by, name, report)
