"""What a visit comes to, whatever a page tells: never more time than has passed, nothing lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.visits import (
    ACTIONS,
    SLACK_MS,
    Event,
    Piece,
    Seen,
    Told,
    Visit,
    fold,
    is_guest,
    with_sign_in,
)

GAP_MS = 20_000
BEGAN_MS = 1_000_000_000
KINDS = [*Told, *(one for one in Seen if one is not Seen.LIKE)]
# A page's word: mostly about now, sometimes about any time.
WHEN = st.integers(-90_000, 90_000)
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), WHEN), max_size=5)
USERS = st.sampled_from(["", "guest-1", "ann", "bob"])


@st.composite
def stories(draw: st.DrawFn) -> list[Piece]:
    """Pieces of one visit in the order in which they were received."""
    now_ms, pieces = BEGAN_MS, []
    for number in range(draw(st.integers(1, 8))):
        now_ms += draw(st.integers(0, 40_000))
        events = tuple(Event(kind, now_ms + at_ms) for kind, at_ms in draw(EVENTS))
        user = draw(USERS)
        guest = is_guest(user)
        pieces.append(Piece("v", f"p{number}", "demo", now_ms, events, user=user, guest=guest))
    return pieces


def told(pieces: list[Piece]) -> list[Visit]:
    """The visit after each piece."""
    visits: list[Visit] = []
    for piece in pieces:
        before = visits[-1] if visits else None
        visits.append(fold(before, with_sign_in(before, piece), GAP_MS))
    return visits


@given(stories())
def test_visible_time_only_grows_and_never_exceeds_what_has_passed(pieces: list[Piece]) -> None:
    before = 0
    for visit in told(pieces):
        assert before <= visit.visible_ms <= visit.last_at_ms - visit.entered_at_ms + SLACK_MS
        before = visit.visible_ms


@given(stories())
def test_every_event_is_counted_once(pieces: list[Piece]) -> None:
    visit = told(pieces)[-1]
    count = Counter(event.t for piece in pieces for event in piece.events)
    assert visit.cards_seen == count[Told.CARD_SEEN]
    assert visit.cards_opened == count[Told.CARD_OPEN]
    assert visit.skus_picked == count[Told.SKU_PICK]
    assert visit.checkouts == count[Told.CHECKOUT]
    assert visit.comments == count[Seen.COMMENT]
    assert visit.orders == count[Seen.ORDER]
    assert visit.likes == count[Seen.COMMENT_LIKE]
    assert visit.shares == count[Seen.SHARE]
    assert visit.actions == sum(count[kind] for kind in ACTIONS)
    assert (visit.first_action_at_ms is None) is (visit.actions == 0)


@given(stories())
def test_the_person_is_the_first_member_and_every_change_of_user_is_told(
    pieces: list[Piece],
) -> None:
    visits = told(pieces)
    users = [piece.user for piece in pieces if piece.user]
    assert visits[-1].user == (users[-1] if users else "")
    members = [user for user in users if not is_guest(user)]
    assert visits[-1].person == (members[0] if members else "")
    for before, piece in zip([None, *visits], pieces, strict=False):
        stored = with_sign_in(before, piece)
        changes = before is not None and bool(piece.user) and piece.user != before.user
        assert len(stored.events) == len(piece.events) + changes


@given(stories())
def test_a_page_that_speaks_the_truth_is_never_at_fault(pieces: list[Piece]) -> None:
    honest = [
        Piece(
            *(piece.visit, piece.key, piece.room, piece.received_at_ms),
            tuple(Event(event.t, piece.received_at_ms) for event in piece.events),
        )
        for piece in pieces
    ]
    assert told(honest)[-1].faults == 0
