"""Percentiles and verdicts: what a run's figures are made of."""

from __future__ import annotations

import pytest

from loadtest.dialects import Arrival
from loadtest.health import Health
from loadtest.samples import Spread, Witness, hear, percentile


def witness(*numbers: int, offsets: list[int] | None = None, start: int | None = 0) -> Witness:
    """One that saw these numbers, each 5 ms after it was sent."""
    seen = Witness()
    seen.offset = start
    for index, number in enumerate(numbers):
        offset = offsets[index] if offsets else index + 1
        seen.saw([Arrival(offset, {"n": number, "sent_us": 1_000_000})], 1_005_000)
    return seen


@pytest.mark.parametrize(
    ("share", "expected"), [(0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_the_nearest_rank_of_the_raw_samples(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


@pytest.mark.parametrize("share", [0.001, 0.5, 1])
def test_every_percentile_of_one_sample_is_that_sample(share: float) -> None:
    assert percentile([7.5], share) == 7.5


@pytest.mark.parametrize(("samples", "share"), [([], 0.5), ([1.0], 0), ([1.0], 1.01)])
def test_a_percentile_that_cannot_be_is_an_error(samples: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(samples, share)


def test_a_spread_sorts_its_samples_and_counts_them() -> None:
    assert Spread.of([30.0, 10.0, 20.0, 40.0]) == Spread(4, 20.0, 40.0, 40.0, 40.0)


def test_a_spread_of_nothing_says_so_in_its_count() -> None:
    assert Spread.of([]).count == 0


def test_a_clean_round_has_nothing_missing_and_the_true_latency() -> None:
    testimony = hear([witness(4, 5, 6), witness(4, 5, 6)], first=4, count=3)
    assert testimony.is_clean
    assert testimony.in_publish_order
    assert testimony.late_ms == Spread(6, 5.0, 5.0, 5.0, 5.0)


def test_an_event_one_witness_never_saw_is_missing() -> None:
    testimony = hear([witness(1, 2, 3), witness(1, 3)], first=1, count=3)
    assert (testimony.missing, testimony.orders) == (1, 2)
    assert not testimony.is_clean


def test_an_event_seen_twice_is_repeated() -> None:
    testimony = hear([witness(1, 2, 2)], first=1, count=2)
    assert testimony.repeated == 1
    assert not testimony.is_clean


def test_an_event_of_another_round_is_foreign() -> None:
    testimony = hear([witness(1, 2)], first=2, count=1)
    assert testimony.foreign == 1
    assert not testimony.is_clean


def test_two_viewers_seeing_two_orders_is_noticed() -> None:
    testimony = hear([witness(1, 2), witness(2, 1)], first=1, count=2)
    assert testimony.orders == 2
    assert not testimony.is_clean


def test_one_order_that_is_not_the_publishers_is_clean_but_told() -> None:
    testimony = hear([witness(2, 1), witness(2, 1)], first=1, count=2)
    assert testimony.is_clean
    assert not testimony.in_publish_order


def test_a_hole_between_offsets_counts_every_event_in_it() -> None:
    testimony = hear([witness(1, 2, offsets=[1, 5])], first=1, count=2)
    assert testimony.offset_gaps == 3
    assert not testimony.is_clean


def test_an_offset_that_comes_again_is_a_repeat() -> None:
    assert hear([witness(1, 2, offsets=[1, 1])], first=1, count=2).repeated == 1


def test_offsets_continue_from_where_the_viewer_joined() -> None:
    assert hear([witness(1, offsets=[18], start=17)], first=1, count=1).offset_gaps == 0
    assert hear([witness(1, offsets=[18], start=16)], first=1, count=1).offset_gaps == 1


def test_events_of_others_move_the_offset_but_are_not_samples() -> None:
    seen = Witness()
    seen.offset = 0
    seen.saw([Arrival(1, {"t": "notice"}), Arrival(2, {"n": 1, "sent_us": 0})], 10)
    testimony = hear([seen], first=1, count=1)
    assert testimony.is_clean
    assert testimony.late_ms.count == 1


def test_events_without_offsets_are_judged_by_their_numbers_only() -> None:
    assert hear([witness(1, 2, offsets=[0, 0], start=None)], first=1, count=2).is_clean


def test_a_new_round_forgets_the_numbers_but_not_the_position() -> None:
    seen = witness(1, 2)
    seen.forget()
    seen.saw([Arrival(4, {"n": 3, "sent_us": 0})], 1)
    testimony = hear([seen], first=3, count=1)
    assert (testimony.missing, testimony.offset_gaps) == (0, 1)


def health(cpu_share: float = 0.5, lag_ms: float = 1.0, errors: int = 0) -> Health:
    return Health(cpu_share, Spread.of([lag_ms]), sockets_open=10, errors=errors)


def test_a_generator_with_time_to_spare_makes_no_run_void() -> None:
    assert health().faults() == []


@pytest.mark.parametrize(
    ("sick", "why"),
    [
        (health(cpu_share=0.86), "86%"),
        (health(lag_ms=200.0), "200 ms"),
        (health(errors=3), "3 errors"),
    ],
)
def test_a_generator_that_was_the_bottleneck_makes_its_run_void(sick: Health, why: str) -> None:
    [fault] = sick.faults()
    assert why in fault
