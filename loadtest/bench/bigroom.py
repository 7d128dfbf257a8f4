"""A big room that is loud while people buy: one room, one worker, all viewers of this machine.

Measured by turns on one server: purchases while the room is silent, and purchases while it is
loud. Before that, what the audience costs to let in and to hold. One event in twenty is a change of
the room's state, which leaves at once; the rest is chat, which gathers.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loadtest.bench import fanout
from loadtest.bench.coming import UNPACED_PER_S, Coming, come_in
from loadtest.bench.contenders import MARKER, ROOM, Contender, onair
from loadtest.bench.crowd import settled_rss
from loadtest.bench.orders import PLENTY, SKU, Shop, drained
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, rss_bytes
from loadtest.bench.publisher import Publisher
from loadtest.bench.scene import Laned, late_generator, middle
from loadtest.buyers import Answers, Party
from loadtest.samples import Spread, Witness
from loadtest.swarm import Crowd, Swarm

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
STATE_EVERY = 20
RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Filling:
    """The audience comes in as fast as it can, and then stays."""

    coming: Coming
    rss_empty: int  # bytes, a few warm viewers already in
    rss_full: int

    @property
    def bytes_per_viewer(self) -> float:
        return (self.rss_full - self.rss_empty) / self.coming.viewers


@dataclass(frozen=True, slots=True)
class Turn:
    """Purchases in the silent room and in the loud one, and what the loud one's viewers saw."""

    silent: Answers
    loud: Answers
    books_agree: bool
    fanout: fanout.Round
    state_late_ms: Spread
    chat_late_ms: Spread
    rss_after: int  # bytes of the worker, the room just having been loud
    void: tuple[str, ...]
    late_us: array[int] = field(repr=False)


@dataclass(slots=True)
class BigroomFigures:
    """What the scenario found."""

    filling: Filling
    events_per_s: int
    orders_per_s: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def good(self) -> list[Turn]:
        return [turn for turn in self.turns if not turn.void]

    @property
    def late_ms(self) -> Spread:
        """Delivery to all witnesses, over all valid turns."""
        return Spread.of(us / 1000 for turn in self.good for us in turn.late_us)

    @property
    def silent_p99_ms(self) -> float:
        return middle([turn.silent.late_ms.p99 for turn in self.good])

    @property
    def loud_p99_ms(self) -> float:
        return middle([turn.loud.late_ms.p99 for turn in self.good])

    @property
    def is_complete(self) -> bool:
        return bool(self.good) and not self.filling.coming.void


async def measure(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> BigroomFigures:
    """One fresh server. Raises `ContenderFailed` if it does not start."""
    sizes = plan.crowds
    with onair(cores) as contender:
        meet(contender)
        shop = Shop(contender)
        await asyncio.to_thread(shop.prepare)
        tokens = await asyncio.to_thread(shop.tokens, sizes.bigroom_buyers)
        crowd = Crowd(
            contender.port, contender.dialect, MARKER.encode(), connect_per_s=UNPACED_PER_S
        )
        warm, swarm, party = Swarm(crowd), Swarm(crowd), Party(contender.port, ROOM)
        try:
            await warm.join(plan.warm_viewers)
            say(f"a big room: {sizes.bigroom_viewers} viewers come in")
            figures = BigroomFigures(
                await _fill(plan, contender, swarm),
                sizes.bigroom_events_per_s,
                sizes.bigroom_orders_per_s,
            )
            await warm.leave()
            await party.join(tokens)
            loud = Laned.of(contender, state_every=STATE_EVERY)
            seat = fanout.Seat(loud, swarm, Publisher(loud))
            for number in range(sizes.bigroom_turns):
                say(f"a big room: {sizes.bigroom_orders_per_s} orders/s, turn {number + 1}")
                figures.turns.append(await _turn(plan, seat, shop, party))
        finally:
            await party.leave()
            await swarm.leave()
    return figures


async def _fill(plan: Plan, contender: Contender, swarm: Swarm) -> Filling:
    viewers = plan.crowds.bigroom_viewers
    rss_empty = await settled_rss(plan, contender)
    coming = await come_in(contender, swarm, viewers, witnesses=min(plan.witnesses, viewers))
    return Filling(coming, rss_empty, await settled_rss(plan, contender))


async def _turn(plan: Plan, seat: fanout.Seat, shop: Shop, party: Party) -> Turn:
    sizes = plan.crowds
    count = round(sizes.bigroom_orders_per_s * sizes.bigroom_seconds)
    events = round(sizes.bigroom_events_per_s * sizes.bigroom_seconds)
    sale = await asyncio.to_thread(shop.open_sale, PLENTY)
    silent = await party.buy(sale, SKU, count, sizes.bigroom_orders_per_s)
    round_, loud = await asyncio.gather(
        fanout.one_round(plan, seat, sizes.bigroom_events_per_s, events),
        party.buy(sale, SKU, count, sizes.bigroom_orders_per_s),
    )
    rss_after = rss_bytes(seat.contender.web)
    books = await drained(shop, sale)
    ledger = books["ledger"]["items"][0]
    void = [*round_.void, *_unsold(silent), *_unsold(loud)]
    if books["agree"] is not True:
        void.append("the books do not agree")
    if int(ledger["reserved"]) != 2 * count:
        void.append(f"the ledger holds {ledger['reserved']} of {2 * count} orders")
    void += late_generator(round_.health)
    assert isinstance(seat.contender, Laned)
    state_us, chat_us = by_lane(seat.contender, seat.swarm.witnesses)
    return Turn(
        silent=silent,
        loud=loud,
        books_agree=books["agree"] is True,
        fanout=round_,
        state_late_ms=Spread.of(us / 1000 for us in state_us),
        chat_late_ms=Spread.of(us / 1000 for us in chat_us),
        rss_after=rss_after,
        void=tuple(void),
        late_us=round_.late_us,
    )


def _unsold(answers: Answers) -> list[str]:
    """Why these purchases do not count."""
    reserved = answers.outcomes.get(RESERVED, 0)
    if reserved == answers.sent:
        return []
    return [f"{answers.sent - reserved} of {answers.sent} answers were not {RESERVED}"]


def by_lane(laned: Laned, witnesses: Sequence[Witness]) -> tuple[list[int], list[int]]:
    """How late, in microseconds, events of lane `state` came, and those of lane `chat`."""
    state: list[int] = []
    chat: list[int] = []
    for witness in witnesses:
        for number, us in zip(witness.numbers, witness.late_us, strict=True):
            (state if laned.is_state(number) else chat).append(us)
    return state, chat
