"""The first seconds of the sale: who pressed, who got something, and how long all of them waited.

Pure. Instants are those of the generator's clock; latencies run from the intended instant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from loadtest.rehearsal.findings import Spike, SpikeSecond
from loadtest.rehearsal.latency import quantiles
from loadtest.rehearsal.outcomes import REFUSALS, RESERVED, SOLD_OUT
from loadtest.rehearsal.records import Attempt


def around(attempts: Iterable[Attempt], t0_us: int, rush_s: float) -> Spike:
    """Second by second, from the first press to the last. Nothing if nobody pressed."""
    places = sorted(
        (each for each in attempts if each.op == "place"), key=lambda each: each.intended_us
    )
    if not places:
        return Spike()
    by_second: dict[int, list[Attempt]] = defaultdict(list)
    for each in places:
        by_second[(each.intended_us - t0_us) // 1_000_000].append(each)
    first, last = min(by_second), max(by_second)
    return Spike(
        seconds=tuple(
            _second(number, by_second.get(number, [])) for number in range(first, last + 1)
        ),
        first_sold_ms=_first_ms(places, t0_us, RESERVED),
        sold_out_ms=_sold_out_ms(places, t0_us),
        longest_silence_ms=_longest_silence_ms(places, t0_us, rush_s),
        outcomes=dict(Counter(each.outcome for each in places).most_common()),
        winners=quantiles(_took(places, {RESERVED})),
        losers=quantiles(_took(places, REFUSALS)),
    )


def most_decided_in_a_second(attempts: Iterable[Attempt], t0_us: int) -> int:
    """The most purchases that were answered, by the rules, in one second after T0."""
    decided = REFUSALS | {RESERVED}
    seconds = Counter(
        (each.done_us - t0_us) // 1_000_000
        for each in attempts
        if each.op == "place" and each.outcome in decided and each.done_us >= t0_us
    )
    return max(seconds.values(), default=0)


def _second(number: int, attempts: Sequence[Attempt]) -> SpikeSecond:
    return SpikeSecond(
        second=number,
        attempts=len(attempts),
        outcomes=dict(Counter(each.outcome for each in attempts).most_common()),
        winners=quantiles(_took(attempts, {RESERVED})),
        losers=quantiles(_took(attempts, REFUSALS)),
    )


def _took(attempts: Iterable[Attempt], outcomes: frozenset[str] | set[str]) -> list[int]:
    return [
        each.done_us - each.intended_us
        for each in attempts
        if each.outcome in outcomes and each.done_us
    ]


def _first_ms(attempts: Iterable[Attempt], t0_us: int, outcome: str) -> float | None:
    """When the first of them was told so, after T0."""
    done = [each.done_us for each in attempts if each.outcome == outcome and each.done_us]
    return (min(done) - t0_us) / 1_000 if done else None


def _sold_out_ms(attempts: Sequence[Attempt], t0_us: int) -> float | None:
    """When the last sku was first told to be sold out; None while one never was."""
    by_sku: dict[str, list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_sku[each.sku].append(each)
    instants = [_first_ms(of_sku, t0_us, SOLD_OUT) for of_sku in by_sku.values()]
    known = [instant for instant in instants if instant is not None]
    return max(known) if len(known) == len(instants) else None


def _longest_silence_ms(attempts: Sequence[Attempt], t0_us: int, rush_s: float) -> float:
    """The longest time in which somebody of the rush waited and nobody was answered.

    Whoever was never answered waited until the last one was, or pressed.
    """
    until_us = t0_us + round(rush_s * 1_000_000)
    rush = [each for each in attempts if t0_us <= each.intended_us <= until_us]
    if not rush:
        return 0.0
    end = max(max(each.done_us, each.intended_us) for each in rush)
    steps = sorted(
        [(each.intended_us, 1) for each in rush] + [(each.done_us or end, -1) for each in rush]
    )
    longest, waiting = 0, 0
    quiet_since = steps[0][0]
    for (at, change), (after, _) in pairwise([*steps, (end, 0)]):
        if change < 0 or waiting == 0:
            quiet_since = at
        waiting += change
        if waiting > 0:
            longest = max(longest, after - quiet_since)
    return longest / 1_000
