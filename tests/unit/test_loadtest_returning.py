"""How an audience comes back: the waits of the official SDK."""

from __future__ import annotations

import random

import pytest

from loadtest.frames import FramingError, upgrade_answer
from loadtest.returning import pause_s


@pytest.mark.parametrize(
    ("attempts", "least", "most"), [(0, 0.5, 1.0), (1, 0.5, 1.5), (2, 0.5, 2.5), (30, 0.5, 20.0)]
)
def test_the_wait_before_an_attempt_grows_with_those_that_failed(
    attempts: int, least: float, most: float
) -> None:
    rng = random.Random(1)
    waits = [pause_s(attempts, rng) for _ in range(2_000)]
    assert least <= min(waits) < least + 0.05 * (most - least)
    assert most - 0.05 * (most - least) < max(waits) <= most


def test_a_refused_upgrade_tells_when_to_come_back() -> None:
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(FramingError, match=r"^503 Service Unavailable, retry after 2 s$"):
        upgrade_answer(refusal)
