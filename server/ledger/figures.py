"""What the parts of a ledger worker count, on its way to /metrics of the web workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

# Every name that may be counted, with its help text and its labels. Names that end with _total
# only grow, and are added up over the workers; of others the highest is shown.
TEXTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "onair_visits_lag": ("Pieces of visits that are not in SQL yet", ()),
    "onair_visits_oldest_ms": ("For how long the oldest of them has waited", ()),
    "onair_visits_written_total": ("Pieces of visits written into SQL", ()),
    "onair_visits_set_aside_total": ("Pieces of visits that could not be written", ()),
    "onair_arrivals_total": ("Invited visits that were judged", ("verdict",)),
    "onair_grants_total": ("Rewards for sharing, given or missed", ("kind", "state")),
}


class Figure(NamedTuple):
    """One number; `labels` are values, in the order of the names in TEXTS."""

    name: str
    labels: tuple[str, ...]
    value: int


class Figures:
    """The numbers of one process."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, tuple[str, ...]], int] = {}

    def count(self, name: str, amount: int = 1, *labels: str) -> None:
        """Something happened so many times more."""
        assert name.endswith("_total")
        self._values[self._key(name, labels)] = self._values.get((name, labels), 0) + amount

    def set(self, name: str, value: int, *labels: str) -> None:
        """Something stands like this now."""
        assert not name.endswith("_total")
        self._values[self._key(name, labels)] = value

    def told(self) -> tuple[Figure, ...]:
        return tuple(Figure(*key, value) for key, value in self._values.items())

    @staticmethod
    def _key(name: str, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        assert len(TEXTS[name][1]) == len(labels), name
        return name, labels


def metrics_of(figures: Iterable[Figure]) -> Iterator[Metric]:
    """The figures of all workers together; a name that this version does not know is left out."""
    values: dict[str, dict[tuple[str, ...], int]] = {}
    for name, labels, value in figures:
        known = values.setdefault(name, {})
        before = known.get(labels, 0)
        known[labels] = before + value if name.endswith("_total") else max(before, value)
    for name, known in sorted(values.items()):
        if name not in TEXTS:
            continue
        text, labelled = TEXTS[name]
        family: CounterMetricFamily | GaugeMetricFamily
        if name.endswith("_total"):
            family = CounterMetricFamily(name.removesuffix("_total"), text, labels=labelled)
        else:
            family = GaugeMetricFamily(name, text, labels=labelled)
        for labels, value in sorted(known.items()):
            family.add_metric(labels, value)
        yield family
