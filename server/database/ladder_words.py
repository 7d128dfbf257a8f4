"""What the records of ladders speak of. Frozen, no SQL."""

from __future__ import annotations

from dataclasses import dataclass

from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState, Ladder, LadderState, Problem, RewardKind


class UnknownLadder(LookupError):
    """There is no such ladder; the text is its id."""


class NotPublishable(Exception):
    """A ladder cannot be published as it is. `problems` say what speaks against it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


class TooManyLadders(Exception):
    """The room has as many ladders that are not over as one may have."""


class UnknownGrant(LookupError):
    """There is no such reward, or it is somebody else's; the text is its id."""


class NotOpenable(Exception):
    """A reward is no red packet that could be opened. `state` is None if it is of another kind."""

    def __init__(self, state: GrantState | None) -> None:
        super().__init__("not a red packet" if state is None else state.value)
        self.state = state


class AlreadyRedeemed(Exception):
    """A voucher was redeemed before, by another request. `at_ms`: when."""

    def __init__(self, at_ms: int) -> None:
        super().__init__("redeemed")
        self.at_ms = at_ms


@dataclass(frozen=True, slots=True)
class LadderRecord:
    """A ladder and how far it was used. `left` are units of each tier without an owner."""

    terms: Ladder
    state: LadderState
    taken_minor: int
    left: tuple[int, ...]
    newcomer_left: int
    created_at_ms: int
    published_at_ms: int | None
    ended_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One reward of one person. `tier` 0: for arriving. `value_minor`: of an opened packet."""

    id: str
    ladder: str
    room: str
    user: str
    tier: int
    kind: RewardKind
    title: str
    state: GrantState
    why: str
    points: int
    coupon: str
    code: str | None
    value_minor: int
    currency: str
    at_ms: int
    expires_at_ms: int | None
    done_at_ms: int | None


@dataclass(frozen=True, slots=True)
class ArrivalRecord:
    """An invited visit as it stands, or as it was judged."""

    ladder: str
    visit: str
    inviter: str
    link: str
    channel: str
    user: str
    person: str
    device: str
    entered_at_ms: int
    last_at_ms: int
    visible_ms: int
    actions: int
    faults: int
    qualified_at_ms: int | None
    due_at_ms: int | None
    verdict: Verdict
    judged_at_ms: int | None
    rewarded: str


@dataclass(frozen=True, slots=True)
class Rank:
    """A place in a ranking, from 1. `name` is as others see it."""

    rank: int
    user: str
    name: str
    valid: int
    reached_at_ms: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first of a ladder, and where somebody stands who asked."""

    ladder: str
    frozen: bool
    top: tuple[Rank, ...]
    own: Rank | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one person has climbed. `refused` arrivals do not count, `pending` wait."""

    ladder: LadderRecord
    valid: int
    pending: int
    refused: int
    grants: tuple[Grant, ...]
