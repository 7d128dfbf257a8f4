"""Where people come from, what a share link stands for, and who invited whom.

A *source* is carried by every visit and every order. A *touch* is a visit that came by a link
with an inviter; the first valid one binds the inviter to the person for a named time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DIRECT = "direct"  # the channel of a visit that says nothing about where it comes from


@dataclass(frozen=True, slots=True)
class Source:
    """Where a visit comes from. Empty texts: not said. `link` is the id of a signed link."""

    channel: str = DIRECT
    campaign: str = ""
    staff: str = ""  # the employee whose link it was
    inviter: str = ""  # the user whose link it was
    link: str = ""


class TargetKind(StrEnum):
    """What a link opens in its room."""

    ROOM = "room"
    PRODUCT = "product"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Target:
    """`id` is empty for a room; `at_ms` is the moment in the room that the link opens."""

    kind: TargetKind = TargetKind.ROOM
    id: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A comment as a link to it shows it. `name` is masked: a link leaves the room."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A link as it was made; it never changes. The same person, target and channel: one link.

    `markups` are what a reseller adds to the price of one unit of a sku, in minor units.
    `source.link` is the link's own id, `inviter_name` the inviter's name, masked.
    """

    id: str
    room: str
    source: Source
    target: Target
    created_at_ms: int
    markups: Mapping[str, int] = field(default_factory=dict)
    inviter_name: str = ""
    quote: Quote | None = None  # of a comment


@dataclass(frozen=True, slots=True)
class Binding:
    """`user` was brought by `inviter`; stands from `bound_at_ms` until before `until_ms`.

    `app`: in whose browser the link was opened, empty for none.
    """

    user: str
    inviter: str
    link: str
    bound_at_ms: int
    until_ms: int
    app: str = ""

    def stands(self, at_ms: int) -> bool:
        return self.bound_at_ms <= at_ms < self.until_ms


@dataclass(frozen=True, slots=True)
class Touch:
    """A visit that came by a link with an inviter. `own_device`: one that the inviter has used."""

    visit: str
    inviter: str
    link: str
    at_ms: int
    own_device: bool = False
    app: str = ""  # in whose browser the link was opened


def bind(
    user: str, touches: Iterable[Touch], last: Binding | None, protected_ms: int
) -> list[tuple[Touch, Binding]]:
    """The new bindings that a user's touches make, after the `last` one there is.

    The first valid touch binds, from that moment on for `protected_ms`, whether or not the person
    was signed in then; the next one can bind when that is over. Not valid: a touch by oneself,
    one on a device that the inviter has used, one while a binding stands, and one from before the
    last binding that comes to light later. The channel of the link does not matter: to know who
    invited whom is no reward. The order in which touches are given does not matter either.
    """
    made = []
    for touch in sorted(touches, key=lambda touch: (touch.at_ms, touch.visit)):
        if touch.inviter == user or touch.own_device:
            continue
        if last is not None and touch.at_ms < last.until_ms:
            continue
        until_ms = touch.at_ms + protected_ms
        last = Binding(user, touch.inviter, touch.link, touch.at_ms, until_ms, touch.app)
        made.append((touch, last))
    return made
