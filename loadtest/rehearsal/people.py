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
        """Who comes. Buyers sign in and buy, but do not watch: the promised viewers are the rest.

        At least the witnesses and one more are silent, so that there is a push to be timed.
        """
        promise = plan.promise
        busy = (
            plan.buyer_count,
            math.ceil(promise.comments_per_s / COMMENTS_PER_S),
            math.ceil(promise.likes_per_s / LIKES_PER_S),
            math.ceil(promise.shares_per_s / SHARES_PER_S),
            1,
        )
        watching = max(plan.generator.witnesses + 1, promise.viewers - sum(busy[1:]))
        return cls(*busy, audience=watching)

    @property
    def all(self) -> int:
        busy = (self.buyers, self.talkers, self.likers, self.sharers, self.hosts)
        return sum(busy) + self.audience

    def places(self, kind: str) -> range:
        """Which places in the list of tokens belong to a kind, such as `talkers`."""
        names = ("buyers", "talkers", "likers", "sharers", "hosts", "audience")
        first = sum(getattr(self, name) for name in names[: names.index(kind)])
        return range(first, first + getattr(self, kind))
