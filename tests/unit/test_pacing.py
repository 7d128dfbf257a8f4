"""A quiet room does not wait; busy rooms together keep to their share of the loop."""

from __future__ import annotations

import math
import random
from collections import deque

import pytest

from rooms.pacing import Pacing, RoomPace

SHARE = 0.25
TICK_MAX_S = 0.25
BURST_S = 0.05


def pacing_of(*, tick_ms_max: int = 250) -> Pacing:
    return Pacing(loop_percent=25, tick_ms_max=tick_ms_max, burst_ms=50)


def flush(pace: RoomPace, now_s: float, cost_s: float, *, events: int = 1) -> None:
    pace.asks(now_s, events)
    pace.flushes(now_s)
    pace.paid(cost_s, 1.0)


def play(
    pacing: Pacing, arrivals: list[list[float]], cost_s: float
) -> tuple[list[tuple[float, int]], float]:
    """Rooms whose events come at these times; their flushes (when, which room), the longest wait.

    Nothing else uses the processor, and a flush takes no time beside what it is said to cost.
    """
    paces = [pacing.room() for _ in arrivals]
    coming = deque(sorted((at, room) for room, times in enumerate(arrivals) for at in times))
    waiting: dict[int, tuple[float, float]] = {}  # room -> when it is due, its first event
    flushes, longest = [], 0.0
    while coming or waiting:
        due = min(waiting, key=lambda room: waiting[room][0], default=None)
        if due is not None and (not coming or waiting[due][0] <= coming[0][0]):
            now, since = waiting.pop(due)
            paces[due].flushes(now)
            paces[due].paid(cost_s, 1.0)
            flushes.append((now, due))
            longest = max(longest, now - since)
            continue
        now, room = coming.popleft()
        due_at, since = waiting.get(room, (math.inf, now))
        waiting[room] = min(due_at, now + paces[room].wait_s(now)), since
        paces[room].asks(now, 1)
    return flushes, longest


def test_a_quiet_room_does_not_wait() -> None:
    assert pacing_of().room().wait_s(now_s=1_000.0) == 0


def test_a_room_that_has_allowance_left_sends_at_once_again_and_again() -> None:
    pace = pacing_of().room()
    for number in range(7):
        assert pace.wait_s(1_000.0 + number / 1_000) == 0
        flush(pace, 1_000.0 + number / 1_000, 0.009)
    assert pace.wait_s(1_000.007) > 0


def test_a_room_that_wants_no_more_than_its_share_never_waits() -> None:
    chance = random.Random(5)
    times = [number / 10 + chance.uniform(0, 0.05) for number in range(300)]
    flushes, longest = play(pacing_of(), [times], cost_s=0.024)
    assert (len(flushes), longest) == (300, 0.0)


def test_the_more_is_asked_the_longer_is_the_tick() -> None:
    """Asked for twice the share half of it is used, and so on; a tick has an end too."""
    ticks_s = []
    for events, wanted_s in ((1, 0.03), (2, 0.06), (4, 0.12), (64, TICK_MAX_S - 0.0075 / 2)):
        pacing = pacing_of()
        pace = pacing.room()
        for number in range(200):
            flush(pace, number * 0.03, 0.0075, events=events)
        ticks_s.append(pacing.tick_s(199 * 0.03))
        assert ticks_s[-1] == pytest.approx(wanted_s, rel=0.1)
    assert ticks_s == sorted(ticks_s)


@pytest.mark.parametrize(
    ("cost_s", "tick_s"), [(0.02, 0.24), (0.1, 0.2), (0.15, 0.2), (0.18, 0.24), (0.3, 0.25)]
)
def test_where_a_flush_takes_long_the_longest_tick_is_shorter(cost_s: float, tick_s: float) -> None:
    """The half of a round counts with the wait, but three quarters of the loop are the most."""
    pacing = pacing_of()
    pace = pacing.room()
    for number in range(100):
        flush(pace, number * 0.25, cost_s, events=100)
    assert pacing.tick_s(99 * 0.25) == pytest.approx(tick_s)


def test_a_busy_room_is_due_a_tick_after_its_last_flush() -> None:
    pacing = pacing_of()
    pace = pacing.room()
    for number in range(200):
        flush(pace, number * 0.03, 0.0075, events=4)
    last_s = 199 * 0.03
    tick_s = pacing.tick_s(last_s)
    assert pace.wait_s(last_s + 0.01) == pytest.approx(tick_s - 0.01, rel=0.05)
    assert pace.wait_s(last_s + tick_s) == 0


def test_the_first_flush_of_a_large_room_counts_while_it_is_on_its_way() -> None:
    pacing = pacing_of()
    pace = pacing.room()
    pace.flushes(1.0)
    for number in range(16):
        pace.paid(0.005, 0.1 / 3)
        pace.asks(1.0 + number * 0.005, 1)
    assert pacing.tick_s(1.08) == pytest.approx(0.2)  # 150 ms of cost, however many ask
    assert pace.wait_s(1.08) == pytest.approx(0.2 - 0.08)


def test_the_tick_has_an_upper_bound_and_so_has_a_debt() -> None:
    pacing = pacing_of()
    pace = pacing.room()
    for number in range(60):
        flush(pace, float(number), 5.0)
    assert pacing.tick_s(59.0) == TICK_MAX_S
    assert pacing.allowance_s(59.0 + TICK_MAX_S) == pytest.approx(0.0)


def test_a_room_that_fell_silent_no_longer_slows_the_others() -> None:
    pacing = pacing_of(tick_ms_max=1_000)
    silent, busy = pacing.room(), pacing.room()
    for number in range(60):
        flush(silent, number * 0.1, 0.1)
        flush(busy, number * 0.1, 0.001)
    with_both = pacing.tick_s(6.0)
    flush(busy, 8.0, 0.001)
    assert 0 < pacing.tick_s(8.0) < with_both / 10


def test_a_forgotten_room_does_not_count() -> None:
    pacing = pacing_of()
    gone = pacing.room()
    flush(gone, 1.0, 0.5)
    pacing.forget(gone)
    assert pacing.tick_s(1.0) == 0


@pytest.mark.parametrize("rooms", [1, 4, 40])
def test_busy_rooms_together_keep_to_the_share_and_each_has_its_turn(rooms: int) -> None:
    """Whatever comes: no window holds more than the share, the burst and one flush of each."""
    chance = random.Random(rooms)
    cost_s = 0.02 / rooms
    arrivals = [
        sorted(chance.uniform(0, 20) for _ in range(chance.choice([100, 1_000, 4_000 // rooms])))
        for _ in range(rooms)
    ]
    flushes, longest = play(pacing_of(), arrivals, cost_s)
    times = [at for at, _room in flushes]
    for begin in range(0, 20, 2):
        spent_s = cost_s * sum(begin <= at < begin + 2 for at in times)
        assert spent_s <= SHARE * 2 + BURST_S + (rooms + 1) * cost_s
    assert longest <= TICK_MAX_S
    for room, asked in enumerate(arrivals):
        served = sum(each == room for _at, each in flushes)
        assert served >= min(len(asked), 20 / TICK_MAX_S) * 0.5
