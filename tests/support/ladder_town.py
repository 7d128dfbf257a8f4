"""A shop with a ladder, and people who come to it: real ones and farmers, as pieces of visits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from flash_sale.pricing import CouponKind, CouponTerms
from rooms.sharing.arrivals import Thresholds, Verdict
from rooms.sharing.ladders import Ladder, RewardKind, Tier
from rooms.sharing.policy import default_policies
from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Seen, Told, is_guest
from server.database.arrival_judging import Court, Judged, close_ladder, ladders_over
from server.database.arrival_records import Arrivals
from server.database.coupon_records import Batch, CouponRecords
from server.database.engine import Database
from server.database.grant_records import Giving, expire
from server.database.ladder_records import LadderRecords
from server.database.ladder_tables import arrivals
from server.database.ladder_words import LadderRecord
from server.database.records import RoomRecords
from server.database.reward_records import RewardRecords
from server.database.visit_records import write_pieces

ROOM = "demo"
NOW_MS = 1_800_000_000_000
DAY_MS = 86_400_000
BEAT_MS = 15_000
BEAT_GAP_MS = 20_000
IDLE_S = 600
KEY = b"k" * 32
INVITER = "ann"
TIERS = (
    Tier(1, 3, RewardKind.COUPON, "10 off", 100, 1_000, coupon_batch="ten-off"),
    Tier(2, 5, RewardKind.RED_PACKET, "Packet", 10, 0, pool_minor=5_000),
    Tier(3, 8, RewardKind.VOUCHER, "Mug", 2, 5_900),
    Tier(4, 10, RewardKind.POINTS, "Points", 10, 50, points=500),
)
LADDER = Ladder(
    id="spring",
    room=ROOM,
    title="Bring friends",
    currency="CNY",
    budget_minor=200_000,
    tiers=TIERS,
    thresholds=Thresholds(),
    starts_at_ms=NOW_MS,
    ends_at_ms=NOW_MS + 10 * DAY_MS,
    newcomer_batch="hello",
    newcomer_stock=20,
    newcomer_cost_minor=300,
)


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who comes by a link, and how; unless said otherwise, a real one."""

    name: str
    inviter: str = INVITER
    channel: str = "copy"
    app: str = ""
    device: str | None = None  # its own
    user: str = ""
    net: str | None = None  # its own
    agent: str | None = None
    stay_ms: int = 61_000
    visible: bool = True
    acts_after_ms: int | None = 20_000
    claims_ms: int = 0  # how far into the future its page's clock is

    @property
    def visit(self) -> str:
        return f"v-{self.name}-of-{self.inviter}"[:64]

    def pieces(self, at_ms: int) -> list[Piece]:
        """What is stored of this visit when it begins at an instant, in two pieces."""
        user = self.user
        facts: dict[str, Any] = {
            "visit": self.visit,
            "room": ROOM,
            "device": f"d-{self.name}" if self.device is None else self.device,
            "user": user,
            "guest": is_guest(user),
            "net": own_net(self.name) if self.net is None else self.net,
            "agent": hashlib.sha256(self.name.encode()).hexdigest()[:16]
            if self.agent is None
            else self.agent,
            "app": self.app,
        }
        showing = Told.VISIBLE if self.visible else Told.HIDDEN
        source = Source(channel=self.channel, inviter=self.inviter, link=f"link-{self.inviter}")
        entering = (Event(Told.ENTER, at_ms), Event(showing, at_ms))
        last_ms = at_ms + self.stay_ms
        beats = range(at_ms + BEAT_MS, last_ms + 1, BEAT_MS) if self.visible else ()
        staying = [Event(Told.BEAT, each + self.claims_ms) for each in [*beats, last_ms]]
        pieces = [Piece(key="p1", received_at_ms=at_ms, events=entering, source=source, **facts)]
        if not self.visible:
            staying = [Event(Told.HIDDEN, last_ms)]
        if self.acts_after_ms is not None:
            acting = Piece(
                key="s1",
                received_at_ms=at_ms + self.acts_after_ms,
                events=(Event(Seen.LIKE, at_ms + self.acts_after_ms, {"n": 1}),),
                **facts,
            )
            pieces.append(acting)
        pieces.append(Piece(key="p2", received_at_ms=last_ms, events=tuple(staying), **facts))
        return pieces


def own_net(name: str) -> str:
    """A network of somebody's own, as an address cut short has it."""
    digest = hashlib.sha256(f"net {name}".encode()).digest()
    return f"{10 + digest[0] % 200}.{digest[1]}.{digest[2]}.0/24"


@dataclass(slots=True)
class Town:
    """One database with a room, coupons and a ladder; its clock moves when people come."""

    database: Database
    now_ms: int = NOW_MS
    court: Court = field(default_factory=lambda: Court(default_policies().of, Giving(KEY, 7)))

    @property
    def ladders(self) -> LadderRecords:
        return LadderRecords(self.database, per_room_max=20, shares_max=100_000)

    @property
    def rewards(self) -> RewardRecords:
        return RewardRecords(self.database)

    async def furnish(
        self, ladder: Ladder | None = LADDER, *, issue_max: int = 1_000, per_user_max: int = 1
    ) -> None:
        """Room, batches of coupons, and the ladder, published."""
        await RoomRecords(self.database).create(ROOM, "Demo", "")
        coupons = CouponRecords(self.database)
        for name, minor in (("ten-off", 1_000), ("hello", 300)):
            terms = CouponTerms(name, name, CouponKind.AMOUNT, "CNY", amount_minor=minor)
            await coupons.create(Batch(terms, issue_max, per_user_max))
        if ladder is not None:
            await self.publish(ladder)

    async def publish(self, ladder: Ladder) -> LadderRecord:
        await self.ladders.create(ladder, self.now_ms)
        return await self.ladders.publish(ladder.id, self.now_ms, seed=7)

    async def come(self, *guests: Guest, apart_ms: int = 1_000) -> None:
        """They begin one after the other; afterwards it is a moment after the last has left."""
        pieces: list[Piece] = []
        for number, guest in enumerate(guests):
            pieces += guest.pieces(self.now_ms + number * apart_ms)
        await self.write(sorted(pieces, key=lambda piece: piece.received_at_ms))

    async def write(self, pieces: Sequence[Piece]) -> None:
        arriving = Arrivals(IDLE_S)

        def work(connection: sa.Connection) -> None:
            write_pieces(connection, pieces, BEAT_GAP_MS, [arriving.follow])

        await self.database.run(work)
        self.now_ms = max(self.now_ms, *(piece.received_at_ms for piece in pieces)) + 1

    async def judge(self, *, after_ms: int = 61_000, limit: int = 1_000) -> Judged:
        """What has become due when so much time has passed."""
        self.now_ms += after_ms

        def work(connection: sa.Connection) -> Judged:
            return self.court.judge_due(connection, self.now_ms, self.now_ms, limit)

        return await self.database.run(work)

    async def close(self) -> list[str]:
        """Judge and freeze every ladder whose end has passed."""

        def work(connection: sa.Connection) -> list[str]:
            over = ladders_over(connection, self.now_ms)
            for ladder in over:
                while self.court.judge_all_of(connection, ladder, self.now_ms, 100).arrivals:
                    pass
                assert close_ladder(connection, ladder, self.now_ms)
            return over

        return await self.database.run(work)

    async def expire(self) -> int:
        return await self.database.run(lambda connection: expire(connection, self.now_ms, 100))

    async def verdicts(self) -> dict[str, Verdict]:
        """By guest's name."""

        def work(connection: sa.Connection) -> dict[str, Verdict]:
            query = sa.select(arrivals.c.visit_id, arrivals.c.verdict)
            return {
                visit.removeprefix("v-").split("-of-")[0]: Verdict(verdict)
                for visit, verdict in connection.execute(query)
            }

        return await self.database.run(work)

    async def bring(self, count: int, *, inviter: str = INVITER, first: int = 0) -> None:
        """So many real ones come by an inviter's link, and are judged."""
        names = [f"{inviter}-{number}" for number in range(first, first + count)]
        await self.come(*(Guest(name, inviter=inviter) for name in names))
        judged = await self.judge()
        assert judged.verdicts == {Verdict.VALID: count}


def changed(guest: Guest, **changes: Any) -> Guest:
    return replace(guest, **changes)
