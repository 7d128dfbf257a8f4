"""How many people were there at once."""

from __future__ import annotations

import random

import pytest

from server.database.audience_records import at_once


@pytest.mark.parametrize(
    ("stays", "most"),
    [
        ([], 0),
        ([(5, 5)], 1),
        ([(0, 10), (11, 20)], 1),
        ([(0, 10), (10, 20)], 2),
        ([(0, 10), (2, 4), (5, 9)], 2),
        ([(0, 10)] * 3, 3),
        ([(9, 2)], 1),  # a clock that went back
    ],
)
def test_the_most_at_one_instant_is_counted(stays: list[tuple[int, int]], most: int) -> None:
    assert at_once(stays) == most


def test_it_is_what_counting_at_every_instant_gives() -> None:
    chance = random.Random(7)
    for _ in range(200):
        stays = [
            (begin, begin + chance.randrange(8))
            for begin in (chance.randrange(20) for _ in range(chance.randrange(1, 12)))
        ]
        counted = max(sum(a <= now <= b for a, b in stays) for now in range(30))
        assert at_once(stays) == counted, stays
