"""One hand for all connections: pings, pongs, late connects and late closes."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from server.wheel import Wheel


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Connection:
    """A spoke that records, with the second, what the wheel made it do."""

    def __init__(self, wheel: Wheel, clock: Clock, *, answers: bool = True) -> None:
        self.slot = -1
        self.done: list[tuple[str, int]] = []
        self._wheel = wheel
        self._clock = clock
        self._answers = answers
        self._awaiting = False

    def ping(self) -> None:
        self._note("ping")
        self._awaiting = not self._answers

    def check_pong(self) -> None:
        if self._awaiting:
            self._note("no pong")
            self._wheel.closing(self)

    def connect_overdue(self) -> None:
        self._note("stale")
        self._wheel.closing(self)

    def abort(self) -> None:
        self._note("abort")

    def _note(self, what: str) -> None:
        self.done.append((what, int(self._clock.now_s) - 1_000))


def wheel_and_clock() -> tuple[Wheel, Clock]:
    clock = Clock()
    wheel = Wheel(
        ping_interval_s=25, pong_within_s=8, connect_within_s=12, close_within_s=5, now_s=clock
    )
    return wheel, clock


def advance(wheel: Wheel, clock: Clock, seconds: int) -> None:
    for _ in range(seconds):
        clock.now_s += 1
        wheel.turn()


def test_pings_come_once_per_interval_and_the_first_within_one() -> None:
    wheel, clock = wheel_and_clock()
    connections = [Connection(wheel, clock) for _ in range(200)]
    for connection in connections:
        wheel.accepted(connection)
        wheel.introduced(connection)
    advance(wheel, clock, 100)
    for connection in connections:
        seconds = [second for what, second in connection.done if what == "ping"]
        assert 1 <= seconds[0] <= 25
        assert all(later - earlier == 25 for earlier, later in pairwise(seconds))


def test_a_herd_of_ten_thousand_is_pinged_evenly_over_the_interval() -> None:
    wheel, clock = wheel_and_clock()
    connections = [Connection(wheel, clock) for _ in range(10_000)]
    for connection in connections:  # all in the same second
        wheel.accepted(connection)
        wheel.introduced(connection)
    advance(wheel, clock, 25)
    pings = Counter(second for connection in connections for _, second in connection.done)
    assert sorted(pings) == list(range(1, 26))
    assert pings.total() == 10_000
    assert max(pings.values()) <= 520, "400, and 6 sigma"


def test_a_missing_pong_closes_and_a_missing_close_aborts() -> None:
    wheel, clock = wheel_and_clock()
    silent = Connection(wheel, clock, answers=False)
    wheel.accepted(silent)
    wheel.introduced(silent)
    advance(wheel, clock, 60)
    (_, pinged), (_, missed), (_, aborted) = silent.done
    assert [what for what, _ in silent.done] == ["ping", "no pong", "abort"]
    assert (missed - pinged, aborted - missed) == (8, 5)
    assert len(wheel) == 0


def test_a_connection_that_never_introduces_itself_is_stale() -> None:
    wheel, clock = wheel_and_clock()
    stranger = Connection(wheel, clock)
    wheel.accepted(stranger)
    advance(wheel, clock, 30)
    assert stranger.done == [("stale", 12), ("abort", 17)]


def test_a_lost_connection_is_never_touched_again() -> None:
    wheel, clock = wheel_and_clock()
    introduced, stranger, closing = (Connection(wheel, clock) for _ in range(3))
    for connection in (introduced, stranger, closing):
        wheel.accepted(connection)
    wheel.introduced(introduced)
    wheel.closing(closing)
    for connection in (introduced, stranger, closing):
        wheel.lost(connection)
    advance(wheel, clock, 60)
    assert len(wheel) == 0
    assert introduced.done == stranger.done == closing.done == []


def test_a_stall_closes_nobody_whose_answer_may_lie_unread() -> None:
    wheel, clock = wheel_and_clock()
    connection = Connection(wheel, clock, answers=False)
    wheel.accepted(connection)
    wheel.introduced(connection)
    while not connection.done:
        advance(wheel, clock, 1)
    clock.now_s += 10  # longer than the 8 s that an answer may take
    wheel.turn()
    assert [what for what, _ in connection.done] == ["ping"]
    advance(wheel, clock, 40)
    assert "no pong" in [what for what, _ in connection.done]


def test_a_stalled_loop_catches_up_without_skipping_anybody() -> None:
    wheel, clock = wheel_and_clock()
    connections = [Connection(wheel, clock) for _ in range(50)]
    for connection in connections:
        wheel.accepted(connection)
        wheel.introduced(connection)
    clock.now_s += 25
    wheel.turn()
    assert all([what for what, _ in one.done] == ["ping"] for one in connections)
