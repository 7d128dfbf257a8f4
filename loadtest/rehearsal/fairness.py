"""Did it pay to come early, and how early? Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from loadtest.rehearsal.findings import Fairness
from loadtest.rehearsal.outcomes import RESERVED
from loadtest.rehearsal.records import Attempt

GROUPS = 10


def among(attempts: Iterable[Attempt], t0_us: int) -> Fairness:
    """Buyers in ten groups by their first press at or after T0, and by kind.

    A winner is who got anything, at whichever press. Who only pressed before T0 is in no group.
    """
    pressed: dict[str, int] = {}
    winners: set[str] = set()
    kinds: dict[str, str] = {}
    for each in attempts:
        if each.op != "place":
            continue
        kinds.setdefault(each.user, each.kind)
        if each.outcome == RESERVED:
            winners.add(each.user)
        if each.intended_us >= t0_us:
            pressed[each.user] = min(each.intended_us, pressed.get(each.user, each.intended_us))
    ordered = sorted(pressed, key=lambda user: (pressed[user], user))
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for user, kind in kinds.items():
        by_kind[kind].append(user in winners)
    return Fairness(
        buckets=tuple(
            (len(group), sum(user in winners for user in group)) for group in _groups(ordered)
        ),
        by_kind={kind: (len(found), sum(found)) for kind, found in sorted(by_kind.items())},
    )


def _groups(users: Sequence[str]) -> list[Sequence[str]]:
    """Ten groups of nearly the same size, none of them empty."""
    count = min(GROUPS, len(users))
    return [
        users[number * len(users) // count : (number + 1) * len(users) // count]
        for number in range(count)
    ]
