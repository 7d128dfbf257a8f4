"""What watched viewers of a rehearsal heard: every State and Chat event, once, in order, how late.

Pure: events and instants go in. A witness outlives its connections: what was resumed counts as
heard, what could not be resumed as missing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from loadtest.dialects import Answered, Arrival
from loadtest.samples import Spread

Pushed = Callable[[str, int, int, str], None]  # event's name, stored and heard (us), user

ON_ITS_WAY_MAX: Final = 2  # events that a witness need not have heard yet when all leave
REMEMBERED_MAX: Final = 10_000  # missing offsets that may still come late


@dataclass(slots=True)
class Story:
    """What the witnesses of a process agree on: which event has which number of which history."""

    events: dict[tuple[str, int], tuple[object, object]] = field(default_factory=dict)

    def contradicts(self, epoch: str, arrival: Arrival) -> bool:
        """Whether another witness heard another event under the same number."""
        data = arrival.data if isinstance(arrival.data, dict) else {}
        told = (data.get("t"), data.get("id"))
        return self.events.setdefault((epoch, arrival.offset), told) != told


class RoomWitness:
    """One watched viewer's memory. Instants are Unix microseconds of this machine's clock."""

    __slots__ = (
        "_missing",
        "_pushed",
        "_skew_us",
        "_story",
        "disorder",
        "epoch",
        "events",
        "late_us",
        "missing",
        "offset",
        "recovered",
        "repeated",
        "resumed",
        "unresumed",
        "user",
    )

    def __init__(self, user: str, story: Story, pushed: Pushed, skew_ms: float = 0.0) -> None:
        """`skew_ms`: the server's clock less this one. `pushed` is told each event heard live."""
        self.user = user
        self._story = story
        self._pushed = pushed
        self._skew_us = skew_ms * 1_000
        self._missing: set[int] = set()
        self.offset: int | None = None  # of the newest event; None until the room has answered
        self.epoch = ""
        self.events = 0  # numbered ones, each counted once
        self.recovered = 0  # of these, what came by resuming after a lost connection
        self.missing = 0
        self.repeated = 0
        self.disorder = 0
        self.resumed = 0
        self.unresumed = 0
        self.late_us = array("q")

    def joined(self, answer: Answered, now_us: int) -> None:
        """The room's answer, the first time and after each loss."""
        if answer.offset is not None:
            self._take_up(answer, answer.offset)
        self.saw(answer.after, now_us)

    def saw(self, arrivals: Sequence[Arrival], now_us: int) -> None:
        """Events as they were pushed."""
        for arrival in arrivals:
            if not arrival.offset or not self._is_new(arrival):
                continue
            at_ms = arrival.data.get("at_ms") if isinstance(arrival.data, dict) else None
            if isinstance(at_ms, int):
                stored_us = round(at_ms * 1_000 - self._skew_us)
                self.late_us.append(max(0, now_us - stored_us))
                self._pushed(str(arrival.data.get("t", "")), stored_us, now_us, self.user)

    def _take_up(self, answer: Answered, offset: int) -> None:
        if self.offset is None:
            self.offset, self.epoch = offset, answer.epoch
            return
        if answer.is_resumed:
            self.resumed += 1
            for arrival in answer.missed:
                self.recovered += self._is_new(arrival)
            return
        self.unresumed += 1
        if answer.epoch == self.epoch:
            self.missing += max(0, offset - self.offset)
        self._missing.clear()
        self.offset, self.epoch = offset, answer.epoch

    def _is_new(self, arrival: Arrival) -> bool:
        """Follow the numbers; False if this one was heard before."""
        assert self.offset is not None
        offset, expected = arrival.offset, self.offset + 1
        if offset < expected and offset not in self._missing:
            self.repeated += 1
            return False
        if offset < expected:
            self._missing.remove(offset)
            self.missing -= 1
            self.disorder += 1
        else:
            self.missing += offset - expected
            self._missing.update(range(max(expected, offset - REMEMBERED_MAX), offset))
            self.offset = offset
        self.events += 1
        self.disorder += self._story.contradicts(self.epoch, arrival)
        return True


def summed(witnesses: Iterable[RoomWitness]) -> dict[str, Any]:
    """What they say together. Of a right server nothing is missing, repeated or out of order."""
    told = list(witnesses)

    def count(name: str) -> int:
        return sum(getattr(each, name) for each in told)

    return {
        "witnesses": len(told),
        "events": count("events"),
        "missing": count("missing"),
        "offset_gaps": count("missing"),
        "repeated": count("repeated"),
        "disorder": count("disorder"),
        "resumed": count("resumed"),
        "unresumed": count("unresumed"),
        "recovered": count("recovered"),
        "never_joined": sum(each.offset is None for each in told),
        "unheard": _unheard(told),
    }


def _unheard(witnesses: Sequence[RoomWitness]) -> int:
    """Events that others have heard after the last one of a witness who hears nothing any more.

    No later number shows them as a gap. What may be on its way does not count.
    """
    newest: dict[str, int] = {}
    for each in witnesses:
        newest[each.epoch] = max(newest.get(each.epoch, 0), each.offset or 0)
    behind = [newest[each.epoch] - each.offset for each in witnesses if each.offset is not None]
    return sum(count for count in behind if count > ON_ITS_WAY_MAX)


def late_ms(witnesses: Iterable[RoomWitness]) -> Spread:
    """How late events were heard that came while the witness was connected."""
    return Spread.of(us / 1_000 for each in witnesses for us in each.late_us)
