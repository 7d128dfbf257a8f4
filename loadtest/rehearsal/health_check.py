"""Was the generator itself the bottleneck? Then what was measured says nothing of the server. Pure.

One bad second is a hiccup of a shared machine and makes nothing void; several in the spike do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from loadtest.rehearsal.findings import GeneratorHealth, Say
from loadtest.rehearsal.records import Pulse, Sample
from loadtest.samples import percentile

CPU_SHARE_MAX: Final = 0.9  # of one core, in the spike (p95 of its seconds)
LAG_MS_MAX: Final = 250.0  # of its timer, in the spike (p99 of its seconds)
LATE_SHARE_MAX: Final = 0.05  # of its requests in the spike, begun late
# Begun late is what began later than intended by this share of what an order may take, but by no
# less and no more than these bounds.
LATE_SHARE_OF_TARGET: Final = 0.1
LATE_US_MIN: Final = 50_000
LATE_US_MAX: Final = 250_000
BAD_SECONDS_MIN: Final = 3  # fewer seconds above a limit make nothing void
SAMPLES_MIN: Final = 20  # of fewer requests no share is taken
ERRORS_SHARE_MAX: Final = 0.01  # of its sockets: its own errors, such as too few open files
SILENT_S_MAX: Final = 10.0  # without a pulse in the spike: it stood still, or had ended
# The seconds around T0 that count, if the plan's spike is not longer.
BEFORE_T0_S: Final = 2.0


def check(
    pulses: Mapping[str, Sequence[Pulse]],
    samples: Mapping[str, Sequence[Sample]],
    t0_us: int,
    spike_s: float,
    order_target_ms: float = 0.0,
) -> tuple[GeneratorHealth, ...]:
    """Each generator process, with its faults. `faults` of any one make a run void."""
    begins = t0_us - round(BEFORE_T0_S * 1_000_000)
    ends = t0_us + round(spike_s * 1_000_000)
    late_us = round(order_target_ms * 1_000 * LATE_SHARE_OF_TARGET)
    late_us = min(LATE_US_MAX, max(LATE_US_MIN, late_us))
    return tuple(
        _health(who, pulses[who], samples.get(who, ()), range(begins, ends), late_us)
        for who in sorted(pulses)
    )


def sick_seconds(pulses: Iterable[Pulse]) -> list[int]:
    """The instants at which a generator was at its limit, in order."""
    return sorted(
        pulse.at_us
        for pulse in pulses
        if pulse.cpu_share > CPU_SHARE_MAX or pulse.lag_ms > LAG_MS_MAX
    )


def _health(
    who: str,
    pulses: Sequence[Pulse],
    samples: Sequence[Sample],
    instants: range,
    late_us: int,
) -> GeneratorHealth:
    spike = [pulse for pulse in pulses if pulse.at_us in instants]
    asked = [each for each in samples if each.kind != "push" and each.intended_us in instants]
    late = sum(each.late_us > late_us for each in asked)
    cpu = sorted(pulse.cpu_share for pulse in spike)
    lag = sorted(pulse.lag_ms for pulse in spike)
    found = GeneratorHealth(
        who=who,
        cpu_p95=percentile(cpu, 0.95) if cpu else 0.0,
        lag_p99_ms=percentile(lag, 0.99) if lag else 0.0,
        late_starts=late,
        errors=sum(pulse.errors for pulse in pulses),
        sockets_most=max((pulse.sockets for pulse in pulses), default=0),
    )
    faults = []
    if found.cpu_p95 > CPU_SHARE_MAX and _bad(cpu, CPU_SHARE_MAX):
        faults.append(_say("cpu", who, percent=round(found.cpu_p95 * 100)))
    if found.lag_p99_ms > LAG_MS_MAX and _bad(lag, LAG_MS_MAX):
        faults.append(_say("lag", who, ms=round(found.lag_p99_ms)))
    if len(asked) >= SAMPLES_MIN and late / len(asked) > LATE_SHARE_MAX:
        faults.append(
            _say("late", who, percent=round(100 * late / len(asked), 1), ms=late_us // 1_000)
        )
    if found.errors > max(1, ERRORS_SHARE_MAX * found.sockets_most):
        faults.append(_say("errors", who, count=found.errors))
    silent_s = _longest_gap_s(spike, instants.start, instants.stop)
    if silent_s > SILENT_S_MAX:
        faults.append(_say("silent", who, seconds=round(silent_s)))
    return replace(found, faults=tuple(faults))


def _bad(ordered: Sequence[float], most: float) -> bool:
    return sum(value > most for value in ordered) >= BAD_SECONDS_MIN


def _longest_gap_s(pulses: Sequence[Pulse], begins: int, ends: int) -> float:
    """The longest time between two pulses in the spike; all of it if there was none."""
    instants = sorted(pulse.at_us for pulse in pulses)
    edges = [begins, *instants, ends]
    return max(after - at for at, after in pairwise(edges)) / 1_000_000


def _say(what: str, who: str, **values: object) -> Say:
    return Say(f"void.generator_{what}", {"who": who, **values})
