"""How many people of each kind a plan needs, and whose token is whose. Pure.

`tokens.json` lists them in this order: buyers, talkers, likers, sharers, hosts, audience. All but
the audience are Locust's; the audience is silent and watches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

from loadtest.rehearsal.plan import Plan

# What one person does in a second at most, so that the shop's own limits refuse nobody.
COMMENTS_PER_S: Final = 0.2
LIKES_PER_S: Final = 5.0
SHARES_PER_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class People:
    """Counts by kind. Bots are among the buyers, by their weight."""

    buyers: int
    talkers: int
    likers: int
    sharers: int
    hosts: int
    audience: int

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Who comes. The audience makes up what the promised viewers are more than the others.

        At least the witnesses and one more watch, so that there is a push to be timed.
        """
        promise = plan.promise
        busy = (
            plan.buyer_count,
            math.ceil(promise.comments_per_s / COMMENTS_PER_S),
            math.ceil(promise.likes_per_s / LIKES_PER_S),
            math.ceil(promise.shares_per_s / SHARES_PER_S),
            1,
        )
        watching = max(plan.generator.witnesses + 1, promise.viewers - sum(busy))
        return cls(*busy, audience=watching)

    @property
    def locust(self) -> int:
        """How many of them Locust plays."""
        return self.all - self.audience

    @property
    def all(self) -> int:
        return sum((*self._busy, self.audience))

    @property
    def _busy(self) -> tuple[int, ...]:
        return (self.buyers, self.talkers, self.likers, self.sharers, self.hosts)

    def places(self, kind: str) -> range:
        """Which places in the list of tokens belong to a kind, such as `talkers`."""
        names = ("buyers", "talkers", "likers", "sharers", "hosts", "audience")
        first = sum(getattr(self, name) for name in names[: names.index(kind)])
        return range(first, first + getattr(self, kind))
