"""Who does what and when in a rehearsal: a pure function of the plan, down to the millisecond.

Every instant is fixed before anybody comes, so that a slow server cannot slow the crowd down. The
same plan and seed give the same schedule in every process; who plays a person is none of its
business. Instants are milliseconds after T0, negative before it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeVar

from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Plan

Name = TypeVar("Name")

BUYER: Final = "buyer"
TALKER: Final = "talker"
LIKER: Final = "liker"
SHARER: Final = "sharer"
VIEWER: Final = "viewer"
HOST: Final = "host"
ROLES: Final = (BUYER, TALKER, LIKER, SHARER, VIEWER, HOST)

LIKES_PER_CALL: Final = 5  # taps that a page gathers
VIEWERS: Final = 5  # who only watch and time what they see; they have no token
EARLY_MS: Final = 5_000  # the most that somebody presses before T0
BOT_EVERY_MS: Final = 60
BOT_PRESSES: Final = 40
HELD_BACK: Final = 10  # one unit of so many is restocked by the host


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody does. `number` says which comment, product, how many likes ..."""

    at_ms: int
    what: str  # comment, like, share, pin, notice, restock
    number: int = 0


@dataclass(frozen=True, slots=True)
class Buying:
    """How a buyer buys. A press at each instant, each with a request id of its own."""

    kind: str  # on_time, early, impatient, abandoning, late, bots
    item: int  # which of the plan's
    presses_ms: tuple[int, ...]
    patience_ms: int = 0  # without an answer the same request goes out again; 0: never
    asks_again: bool = False  # the same request once more when it has been answered
    pays: str = "soon"  # soon, late (near the end of the hold), never
    pays_after_ms: int = 0  # soon: after the answer; late: before the hold ends
    back_ms: int = 0  # tries again when holds have run out, if he got nothing; 0: does not


@dataclass(frozen=True, slots=True)
class Person:
    number: int  # place of the token in the list; negative: has none
    role: str
    arrives_ms: int
    acts: tuple[Act, ...] = ()
    buying: Buying | None = None


def people(plan: Plan) -> list[Person]:
    """Everybody, in the order in which they come."""
    cast = People.of(plan)
    found = [*_buyers(plan, cast), *_talkers(plan, cast), *_likers(plan, cast)]
    found += [*_sharers(plan, cast), *_viewers(plan), *_hosts(plan, cast)]
    return sorted(found, key=lambda person: (person.arrives_ms, person.number))


def part(everybody: Sequence[Person], number: int, of: int) -> Sequence[Person]:
    """What process `number` (from 0) of `of` plays."""
    return everybody[number::of]


def on_sale(plan: Plan) -> dict[str, int]:
    """Units by sku to arm the sale with; the host brings the rest during the spike."""
    return {item.sku: item.stock - held_back(item.stock) for item in plan.items}


def held_back(stock: int) -> int:
    """Units of an item that are not on sale from the beginning."""
    return stock // HELD_BACK


def ends_ms(plan: Plan) -> int:
    """When the crowd goes home."""
    return (plan.phases.spike_s + plan.phases.settle_s) * 1000


# the parts of the crowd


def _buyers(plan: Plan, cast: People) -> Iterator[Person]:
    rng = _random(plan, "buyers")
    kinds = _dealt(rng, list(asdict(plan.buyers).items()), cast.buyers)
    items = _dealt(rng, [(n, item.stock) for n, item in enumerate(plan.items)], cast.buyers)
    order = list(range(cast.buyers))
    rng.shuffle(order)
    for number, (kind, item) in enumerate(zip(kinds, items, strict=True)):
        rush_ms = _rush(plan, (order[number] + rng.random()) / cast.buyers)
        yield Person(
            number=cast.places("buyers")[number],
            role=BUYER,
            arrives_ms=_arrival(plan, rng),
            buying=_buying(plan, rng, kind, item, rush_ms),
        )


def _buying(plan: Plan, own: random.Random, kind: str, item: int, rush_ms: int) -> Buying:
    soon_ms, back_ms = own.randint(500, 3_000), _back(plan, own)
    match kind:
        case "early":
            early_ms = -own.randint(200, min(EARLY_MS, plan.phases.warm_s * 1000))
            pressed = (early_ms, own.randint(0, 100))
            return Buying(kind, item, pressed, pays_after_ms=soon_ms, back_ms=back_ms)
        case "impatient":
            return Buying(
                kind,
                item,
                (rush_ms,),
                patience_ms=own.randint(20, 300),
                asks_again=own.random() < 0.5,
                pays_after_ms=soon_ms,
                back_ms=back_ms,
            )
        case "abandoning":
            return Buying(kind, item, (rush_ms,), pays="never")
        case "late":
            before_ms = own.randint(500, min(2_000, plan.phases.hold_s * 500))
            return Buying(kind, item, (rush_ms,), pays="late", pays_after_ms=before_ms)
        case "bots":
            first_ms = -own.randint(0, 500)
            presses = tuple(first_ms + n * BOT_EVERY_MS for n in range(BOT_PRESSES))
            return Buying(kind, item, presses, pays_after_ms=soon_ms)
        case _:
            return Buying(kind, item, (rush_ms,), pays_after_ms=soon_ms, back_ms=back_ms)


def _talkers(plan: Plan, cast: People) -> Iterator[Person]:
    instants = _steady(plan, "comments", plan.promise.comments_per_s)
    acts = [Act(at_ms, "comment", number) for number, at_ms in enumerate(instants)]
    yield from _shared_out(plan, cast, TALKER, "talkers", acts)


def _likers(plan: Plan, cast: People) -> Iterator[Person]:
    instants = _steady(plan, "likes", plan.promise.likes_per_s / LIKES_PER_CALL)
    acts = [Act(at_ms, "like", LIKES_PER_CALL) for at_ms in instants]
    yield from _shared_out(plan, cast, LIKER, "likers", acts)


def _sharers(plan: Plan, cast: People) -> Iterator[Person]:
    instants = _steady(plan, "shares", plan.promise.shares_per_s)
    acts = [Act(at_ms, "share", number) for number, at_ms in enumerate(instants)]
    yield from _shared_out(plan, cast, SHARER, "sharers", acts)


def _viewers(plan: Plan) -> Iterator[Person]:
    own = _random(plan, "viewers")
    for number in range(VIEWERS):
        yield Person(number=-1 - number, role=VIEWER, arrives_ms=_arrival(plan, own))


def _hosts(plan: Plan, cast: People) -> Iterator[Person]:
    spike_ms = plan.phases.spike_s * 1000
    acts = [
        Act(at_ms, "pin", number)
        for number, at_ms in enumerate(_steady(plan, "pins", plan.promise.pins_per_minute / 60))
    ]
    acts += [Act(-plan.phases.warm_s * 500, "notice", 0), Act(spike_ms * 6 // 10, "notice", 1)]
    acts += [
        Act(spike_ms // 3 + number * 50, "restock", number)
        for number, item in enumerate(plan.items)
        if held_back(item.stock)
    ]
    acts.sort(key=lambda act: act.at_ms)
    for number, place in enumerate(cast.places("hosts")):
        yield Person(
            number=place,
            role=HOST,
            arrives_ms=-(plan.phases.warm_s + plan.promise.arrive_s) * 1000,
            acts=tuple(acts) if number == 0 else (),
        )


def _shared_out(
    plan: Plan, cast: People, role: str, name: str, acts: Sequence[Act]
) -> Iterator[Person]:
    """People of a role, who take its acts in turns."""
    places, own = cast.places(name), _random(plan, name)
    for number, place in enumerate(places):
        yield Person(
            number=place,
            role=role,
            arrives_ms=_arrival(plan, own),
            acts=tuple(acts[number :: len(places)]),
        )


# instants and shares


def _rush(plan: Plan, share: float) -> int:
    """When the buyer presses who comes after `share` of the others: most of them come at once."""
    return int(plan.promise.rush_s * 1000 * (1 - math.sqrt(1 - share)))


def _back(plan: Plan, own: random.Random) -> int:
    """Half of those who get nothing look again when holds have run out, if there is time."""
    last_hold_ms = round((plan.phases.hold_s + plan.promise.rush_s) * 1000)
    at_ms = last_hold_ms + own.randint(500, 3_000)
    comes = own.random() < 0.5
    return at_ms if comes and at_ms + 1_000 < ends_ms(plan) else 0


def _arrival(plan: Plan, own: random.Random) -> int:
    return -plan.phases.warm_s * 1000 - int(own.random() * plan.promise.arrive_s * 1000)


def _steady(plan: Plan, what: str, per_s: float) -> Iterator[int]:
    """Instants from the warm phase to the end of the spike, one in each of equal intervals."""
    own = _random(plan, what)
    begin_ms, end_ms = -plan.phases.warm_s * 1000, plan.phases.spike_s * 1000
    for number in range(int((end_ms - begin_ms) / 1000 * per_s)):
        yield begin_ms + int((number + own.random()) / per_s * 1000)


def _dealt(rng: random.Random, weights: Sequence[tuple[Name, int]], count: int) -> list[Name]:
    """`count` names in the proportions of the weights, rounded fairly, in random order."""
    whole = sum(weight for _, weight in weights)
    shares = [(name, count * weight / whole) for name, weight in weights]
    dealt = [name for name, share in shares for _ in range(int(share))]
    rest = sorted(shares, key=lambda each: int(each[1]) - each[1])
    dealt += [name for name, _ in rest[: count - len(dealt)]]
    rng.shuffle(dealt)
    return dealt


def _random(plan: Plan, what: str) -> random.Random:
    return random.Random(f"{plan.seed} {what}")
