"""A report of sources is bounded, whoever invents campaigns, and still adds up to its total."""

from __future__ import annotations

import pytest

from server.database.source_records import OTHERS, Brought, _bounded


def test_few_sources_are_told_as_they_are() -> None:
    sources = [Brought("a", 1), Brought("b", 2)]
    assert _bounded(sources, 2) == sources


@pytest.mark.parametrize("visits", [True, False])
def test_beyond_the_bound_those_that_brought_least_are_one(visits: bool) -> None:
    sources = [
        Brought(f"c{number:03}", number if visits else None, number % 7, number % 3, number, 1)
        for number in range(100)
    ]
    told = _bounded(sources, 10)
    assert len(told) == 11
    assert told[-1].name == OTHERS
    assert [one.name for one in told[:-1]] == sorted(one.name for one in told[:-1])
    assert {one.orders for one in told[:-1]} == {6}
    for name in ("orders", "paid_orders", "paid_minor", "refunded_minor"):
        assert sum(getattr(one, name) for one in told) == sum(getattr(o, name) for o in sources)
    if visits:
        assert sum(one.visits or 0 for one in told) == sum(one.visits or 0 for one in sources)
    else:
        assert told[-1].visits is None
