"""How long things took: quantiles of raw samples, and how many requests failed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from loadtest.rehearsal.findings import Quantiles
from loadtest.rehearsal.outcomes import is_error
from loadtest.rehearsal.records import Sample
from loadtest.samples import percentile


def quantiles(took_us: Iterable[int]) -> Quantiles:
    """Nearest rank, in milliseconds. All zeros of nothing: look at `count` first."""
    ordered = sorted(took_us)
    if not ordered:
        return Quantiles()
    p50, p90, p99, p999 = (percentile(ordered, share) / 1_000 for share in (0.5, 0.9, 0.99, 0.999))
    return Quantiles(len(ordered), p50, p90, p99, p999, ordered[-1] / 1_000)


def by_name(samples: Iterable[Sample]) -> dict[str, Quantiles]:
    """Of each `kind name`. What was never answered counts with the time that it was waited for."""
    found: dict[str, list[int]] = defaultdict(list)
    for sample in samples:
        found[f"{sample.kind} {sample.name}"].append(sample.took_us)
    return {name: quantiles(found[name]) for name in sorted(found)}


def errors(samples: Iterable[Sample]) -> dict[str, int]:
    """Failed requests by `name outcome`, most first. What the rules refuse is no failure."""
    found = Counter(
        f"{sample.name} {sample.outcome}" for sample in samples if is_error(sample.outcome)
    )
    return dict(found.most_common())


def is_request(sample: Sample) -> bool:
    """A push was asked for by nobody."""
    return sample.kind != "push"
