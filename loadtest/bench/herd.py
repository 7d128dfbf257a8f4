"""A herd: a whole audience is cut off at once and comes back, while buyers go on buying.

The server is as shipped: it paces newcomers and refuses the rest with 503 and `Retry-After`. The
audience comes back as centrifuge-js does; a browser cannot see `Retry-After`, so by turns nobody
heeds it, or everybody does. Events go on all the time, so everybody has something to recover.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.bench.buyers_process import BuyersApart, buyers_apart
from loadtest.bench.coming import JOINING_CPU_SHARE_MAX, JOINING_LAG_MS_MAX
from loadtest.bench.contenders import MARKER, ROOM, Contender, onair
from loadtest.bench.orders import PLENTY, SKU, Shop, drained
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, cpu_time, starved_s
from loadtest.bench.publisher import Published, Publisher
from loadtest.bench.scene import middle
from loadtest.buyers import Answers
from loadtest.dialects import Centrifuge
from loadtest.health import Checkup, Health
from loadtest.returning import Returning
from loadtest.samples import Spread, Testimony, hear
from loadtest.swarm import Crowd
from loadtest.waiting import until

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
RESERVED = "reserved"
JOINS_PER_S = 1_500
CUT_AFTER = 0.15  # of the turn: there are events before it
SETTLE_WITHIN_S = 30.0
TOLD_TO_WAIT = re.compile(r"\b503 .*retry after")


@dataclass(frozen=True, slots=True)
class HerdRound:
    """One cut. Instants count from it."""

    heeds_retry_after: bool
    viewers: int
    back_s: float  # until the last one was in the room again
    back_s_half: float  # until half of them were
    attempts: int
    refused: int  # with 503 and Retry-After
    failed: dict[str, int]  # attempts that failed otherwise, by why
    cpu_us: float  # of the web worker, per viewer that came back, whatever else it did
    starved_share: float
    calm: Answers  # purchases before the cut
    buyers: Answers  # purchases during the turn
    books_agree: bool
    published: Published
    missed: int  # viewers who did not get every event exactly once
    testimony: Testimony
    health: Health
    void: tuple[str, ...]
    back_s_all: array[float] = field(repr=False)


@dataclass(slots=True)
class HerdFigures:
    """What the scenario found."""

    viewers: int
    orders_per_s: int
    rounds: list[HerdRound] = field(default_factory=list)

    @property
    def good(self) -> list[HerdRound]:
        return [each for each in self.rounds if not each.void]

    @property
    def back_s(self) -> float:
        """The longest until everybody was back, over all valid rounds."""
        return max((each.back_s for each in self.good), default=0.0)

    @property
    def buyers_p99_ms(self) -> float:
        return middle([each.buyers.late_ms.p99 for each in self.good])

    @property
    def is_complete(self) -> bool:
        kinds = {each.heeds_retry_after for each in self.rounds}
        return bool(kinds) and kinds == {each.heeds_retry_after for each in self.good}


@dataclass(slots=True)
class _Stage:
    contender: Contender
    audience: Returning
    buyers: BuyersApart
    shop: Shop
    publisher: Publisher


async def measure(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> HerdFigures:
    """One server as shipped. Raises `ContenderFailed` if it does not start."""
    sizes = plan.crowds
    figures = HerdFigures(sizes.herd_viewers, sizes.herd_orders_per_s)
    with onair(cores, {}) as contender:
        meet(contender)
        shop, dialect = Shop(contender), Centrifuge(ROOM)
        await asyncio.to_thread(shop.prepare)
        tokens = await asyncio.to_thread(shop.tokens, sizes.herd_buyers)
        crowd = Crowd(contender.port, dialect, MARKER.encode(), connect_per_s=JOINS_PER_S)
        audience = Returning(crowd, dialect)
        async with buyers_apart(contender.port, ROOM) as buyers:
            stage = _Stage(contender, audience, buyers, shop, Publisher(contender))
            try:
                await buyers.join(tokens)
                say(f"a herd: {sizes.herd_viewers} viewers come in")
                witnesses = min(plan.witnesses, sizes.herd_viewers)
                if not await audience.join(sizes.herd_viewers, witnesses=witnesses):
                    raise RuntimeError(f"viewers cannot join: {audience.refused}")
                for number in range(sizes.herd_rounds):
                    for heeds in (False, True):
                        audience.heeds_retry_after = heeds
                        how = "heed Retry-After" if heeds else "do not see Retry-After"
                        say(f"a herd: cut off, round {number + 1}, they {how}")
                        figures.rounds.append(await _round(plan, stage))
            finally:
                await audience.leave()
    return figures


async def _round(plan: Plan, stage: _Stage) -> HerdRound:
    sizes, audience, shop = plan.crowds, stage.audience, stage.shop
    sale = await asyncio.to_thread(shop.open_sale, PLENTY)
    orders = round(sizes.herd_orders_per_s * sizes.herd_seconds)
    events = round(sizes.herd_events_per_s * sizes.herd_seconds)
    calm = await stage.buyers.buy(sale, SKU, orders, sizes.herd_orders_per_s)
    first = stage.publisher.next_number
    seen = [seat.events for seat in audience.seats]
    for witness in audience.witnesses:
        witness.forget()
    attempts, refused = audience.attempts, audience.refused.copy()
    web = stage.contender.web
    checkup = Checkup()
    checkup.start()
    cpu, starved, began = cpu_time(web), starved_s(web), time.perf_counter()
    cut_at_s, published, buyers = await asyncio.gather(
        _cut(plan, stage),
        stage.publisher.publish(events, sizes.herd_events_per_s),
        stage.buyers.buy(sale, SKU, orders, sizes.herd_orders_per_s),
    )
    took_s = time.perf_counter() - began
    cpu, starved = cpu_time(web) - cpu, starved_s(web) - starved
    health = checkup.finish(sockets_open=audience.tally.sockets_open, errors=0)
    pairs = list(zip(audience.seats, seen, strict=True))
    await until(
        lambda: all(seat.events - before >= events for seat, before in pairs),
        SETTLE_WITHIN_S,
        every_s=0.05,
    )
    books = await drained(shop, sale)
    why_refused = audience.refused - refused
    back = sorted(seat.back_at_s - cut_at_s for seat in audience.seats)
    testimony = hear(audience.witnesses, first, events)
    missed = sum(seat.events - before != events for seat, before in pairs)
    void = [
        *health.faults(cpu_share_max=JOINING_CPU_SHARE_MAX, lag_ms_max=JOINING_LAG_MS_MAX),
        *_why_void(audience, missed, testimony, published, (calm, buyers)),
        *(() if books["agree"] is True else ("the books do not agree",)),
    ]
    return HerdRound(
        heeds_retry_after=audience.heeds_retry_after,
        viewers=len(audience.seats),
        back_s=back[-1],
        back_s_half=back[len(back) // 2],
        attempts=audience.attempts - attempts,
        refused=sum(n for why, n in why_refused.items() if TOLD_TO_WAIT.search(why)),
        failed={why: n for why, n in why_refused.items() if not TOLD_TO_WAIT.search(why)},
        cpu_us=cpu.total_s * 1e6 / len(audience.seats),
        starved_share=starved / took_s,
        calm=calm,
        buyers=buyers,
        books_agree=books["agree"] is True,
        published=published,
        missed=missed,
        testimony=testimony,
        health=health,
        void=tuple(void),
        back_s_all=array("d", back),
    )


async def _cut(plan: Plan, stage: _Stage) -> float:
    """Cut everybody off within the turn, and wait until all are back; the instant of the cut."""
    after_s = CUT_AFTER * plan.crowds.herd_seconds
    await until(lambda: False, after_s, every_s=after_s)
    cut_at_s = time.perf_counter()
    stage.audience.cut()
    await until(lambda: stage.audience.absent > 0, 1.0)
    await until(lambda: stage.audience.absent == 0, plan.crowds.herd_back_within_s)
    return cut_at_s


def _why_void(
    audience: Returning,
    missed: int,
    testimony: Testimony,
    published: Published,
    bought: tuple[Answers, Answers],
) -> list[str]:
    found = []
    if audience.absent:
        found.append(f"{audience.absent} viewers did not come back")
    if missed:
        found.append(f"{missed} viewers did not get every event exactly once")
    if not testimony.is_clean:
        found.append(f"witnesses disagree with what was published: {testimony}")
    if published.refused:
        found.append(f"publishing was refused: {published.refused}")
    found.extend(
        f"{answers.sent - reserved} of {answers.sent} orders were not {RESERVED}"
        for answers in bought
        if (reserved := answers.outcomes.get(RESERVED, 0)) != answers.sent
    )
    return found


def spread_of(round_: HerdRound) -> Spread:
    """When viewers were back, in seconds after the cut."""
    return Spread.of(round_.back_s_all)
