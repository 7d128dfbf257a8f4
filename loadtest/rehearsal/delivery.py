"""What the watched viewers say together: did every event come, once, in order? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from loadtest.rehearsal.findings import Delivery
from loadtest.rehearsal.latency import quantiles
from loadtest.rehearsal.records import Sample

# The same gaps, by those who saw them: numbers of events, offsets, and offsets of all viewers.
_GAPS: Final = ("missing", "offset_gaps", "skips")


def heard(
    testimonies: Iterable[Mapping[str, Any]], pushes: Iterable[Sample], witnesses: int
) -> Delivery:
    """The sum of what the witnesses of each audience say, and the latency of all pushes.

    `witnesses` of an audience that does not say how many it had. Those who never got in are none.
    """
    told = list(testimonies)
    counts = [
        max(0, _number(each, "witnesses", witnesses) - _number(each, "never_joined"))
        for each in told
    ]
    return Delivery(
        witnesses=sum(counts),
        events=sum(_number(each, "events", _late(each)) for each in told),
        gaps=sum(max(_number(each, name) for name in _GAPS) for each in told)
        + sum(_number(each, "unheard") for each in told),
        repeats=sum(_number(each, "repeated") for each in told),
        disorder=sum(_number(each, "disorder", _number(each, "orders") - 1) for each in told),
        latency=quantiles(each.took_us for each in pushes),
    )


def _number(testimony: Mapping[str, Any], name: str, otherwise: int = 0) -> int:
    value = testimony.get(name, otherwise)
    return max(0, int(value)) if isinstance(value, int | float) else 0


def _late(testimony: Mapping[str, Any]) -> int:
    """How many events were timed."""
    spread = testimony.get("late_ms")
    return _number(spread, "count") if isinstance(spread, Mapping) else 0
