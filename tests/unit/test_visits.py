"""What a visit comes to: its visible time, its counts, who it was."""

from __future__ import annotations

import pytest

from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Seen, Told, Visit, fold, is_guest, with_sign_in
from tests.support.visit_parts import BEGAN_MS, BY_ALICE, GAP_MS, arrival, event, piece


def visit_of(*pieces: Piece) -> Visit:
    visit = None
    for one in pieces:
        visit = fold(visit, one, GAP_MS)
    assert visit is not None
    return visit


def test_a_visit_that_is_seen_for_a_minute_has_a_minute() -> None:
    visit = visit_of(*arrival())
    assert visit.visible_ms == 60_000
    assert visit.faults == 0
    assert (visit.comments, visit.actions) == (1, 1)
    assert visit.first_action_at_ms == BEGAN_MS + 40_000
    assert visit.left


def test_time_in_which_the_page_is_hidden_does_not_count() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER), event(Told.VISIBLE)),
        piece("p2", event(Told.HIDDEN, 10_000), at_ms=10_000),
        piece("p3", event(Told.VISIBLE, 50_000), event(Told.BEAT, 55_000), at_ms=55_000),
    )
    assert visit.visible_ms == 15_000


def test_a_page_that_falls_silent_gets_one_beat_and_no_more() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER), event(Told.VISIBLE)),
        piece("p2", event(Told.BEAT, 3_600_000), at_ms=3_600_000),
    )
    assert visit.visible_ms == GAP_MS
    assert visit.faults == 0


def test_a_page_that_never_says_it_is_visible_gets_no_time() -> None:
    seen = event(Told.CARD_SEEN, 15_000, product="tea")
    visit = visit_of(piece("p1", event(Told.ENTER)), piece("p2", seen, at_ms=15_000))
    assert (visit.visible_ms, visit.cards_seen) == (0, 1)


def test_claiming_the_future_is_a_fault_and_brings_no_time() -> None:
    beats = [event(Told.BEAT, at_ms) for at_ms in (15_000, 30_000, 45_000, 60_000)]
    visit = visit_of(
        piece("p1", event(Told.ENTER), event(Told.VISIBLE)),
        piece("p2", *beats, at_ms=1_000),
    )
    assert visit.faults == 1
    assert visit.visible_ms <= 3_000


def test_claiming_time_before_the_visit_is_a_fault_and_brings_no_time() -> None:
    beats = [event(Told.BEAT, at_ms) for at_ms in (-60_000, -45_000, -30_000, -15_000)]
    visit = visit_of(
        piece("p1", event(Told.ENTER), event(Told.VISIBLE)),
        piece("p2", *beats, at_ms=1_000),
    )
    assert (visit.faults, visit.visible_ms) == (1, 0)


def test_a_first_piece_that_tells_of_a_minute_is_a_fault() -> None:
    told = [event(Told.VISIBLE, -60_000), *(event(Told.BEAT, -ms) for ms in (45_000, 30_000, 0))]
    visit = visit_of(piece("p1", *told))
    assert visit.faults == 1
    assert visit.visible_ms <= 2_000


def test_a_first_piece_that_was_held_up_for_a_moment_is_no_fault() -> None:
    visit = visit_of(piece("p1", event(Told.ENTER, -15_000), event(Told.VISIBLE, -14_000)))
    assert (visit.faults, visit.visible_ms) == (0, 0)
    visit = fold(visit, piece("p2", event(Told.BEAT, 15_000), at_ms=15_000), GAP_MS)
    assert visit.visible_ms == 15_000 + 2_000  # from the first piece on, and the slack


def test_what_a_page_told_is_no_fault_when_the_server_was_heard_first() -> None:
    """The store was away: a like came to it before the page's own pieces, which came again."""
    visit = visit_of(
        piece("s1", event(Seen.LIKE, -1_000, n=1)),
        piece("p1", event(Told.ENTER, -9_000), event(Told.VISIBLE, -9_000), at_ms=20),
        piece("p2", event(Told.BEAT, -3_000), at_ms=40),
        piece("p3", event(Told.BEAT, 10_000), at_ms=10_000),
    )
    assert visit.faults == 0
    assert visit.visible_ms == 10_000 + 2_000  # from the first piece on, and the slack


def test_a_page_that_was_hidden_before_it_was_heard_is_not_counted_as_visible() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER, -9_000), event(Told.VISIBLE, -9_000)),
        piece("p2", event(Told.HIDDEN, -4_000), at_ms=20),
        piece("p3", event(Told.CARD_SEEN, 10_000, product="tea"), at_ms=10_000),
    )
    assert (visit.faults, visit.visible_ms) == (0, 0)


def test_a_clock_that_is_a_little_ahead_is_no_fault() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER, 1_500), event(Told.VISIBLE, 1_500)),
        piece("p2", event(Told.BEAT, 16_500), at_ms=15_000),
    )
    assert visit.faults == 0
    assert visit.visible_ms == 15_000


def test_pieces_that_change_places_count_no_time_twice() -> None:
    first, second, third = (
        piece("p1", event(Told.ENTER), event(Told.VISIBLE)),
        piece("p2", event(Told.BEAT, 15_000), at_ms=31_000),
        piece("p3", event(Told.BEAT, 30_000), at_ms=30_000),
    )
    assert visit_of(first, third, second).visible_ms == GAP_MS
    assert visit_of(first, second, third).visible_ms == 30_000


def test_visible_time_never_exceeds_what_has_passed_here() -> None:
    pieces = [piece("p1", event(Told.ENTER), event(Told.VISIBLE))]
    for number in range(2, 40):  # each is within the slack, all together are not
        ahead = event(Told.BEAT, number * 100 + 2_000)
        pieces.append(piece(f"p{number}", ahead, at_ms=number * 100))
    assert visit_of(*pieces).visible_ms <= 39 * 100 + 2_000


def test_what_the_page_tells_is_no_action() -> None:
    told = [event(Told.CARD_OPEN, product="tea"), event(Told.CHECKOUT, sale="spring")]
    visit = visit_of(piece("p1", event(Told.ENTER), *told))
    assert (visit.cards_opened, visit.checkouts, visit.actions) == (1, 1, 0)


def test_taps_are_one_action_and_many_likes() -> None:
    visit = visit_of(piece("s1", event(Seen.LIKE, n=7)), piece("s2", event(Seen.COMMENT_LIKE)))
    assert (visit.likes, visit.actions) == (8, 2)


def test_a_share_is_counted_and_is_no_action() -> None:
    visit = visit_of(piece("s1", event(Seen.SHARE, link="abc")))
    assert (visit.shares, visit.actions) == (1, 0)


def test_an_order_is_an_action_and_a_payment_is_none() -> None:
    order = event(Seen.ORDER, order="spring.1", outcome="reserved")
    visit = visit_of(piece("s1", order), piece("s2", event(Seen.PAID, order="spring.1")))
    assert (visit.orders, visit.actions) == (1, 1)


def test_the_source_is_that_of_the_first_piece() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER), source=BY_ALICE),
        piece("p2", event(Told.ENTER, 5_000), at_ms=5_000, source=Source("sms")),
    )
    assert visit.source == BY_ALICE


def test_a_visit_that_says_nothing_is_direct() -> None:
    assert visit_of(piece("p1", event(Told.ENTER))).source == Source("direct")


def test_a_guest_who_signs_in_goes_on_as_a_person() -> None:
    visit = visit_of(
        piece("p1", event(Told.ENTER), user="guest-1"),
        piece("p2", event(Told.BEAT, 5_000), at_ms=5_000, user="bob"),
        piece("p3", event(Told.BEAT, 9_000), at_ms=9_000),
    )
    assert (visit.user, visit.person) == ("bob", "bob")


def test_the_person_of_a_visit_is_the_first_member_it_was() -> None:
    visit = visit_of(piece("p1", user="bob"), piece("p2", user="carol"))
    assert (visit.user, visit.person) == ("carol", "bob")


def test_signing_in_is_told_in_the_piece_that_shows_it() -> None:
    before = visit_of(piece("p1", event(Told.ENTER), user="guest-1"))
    told = with_sign_in(before, piece("p2", event(Told.BEAT, 5_000), at_ms=5_000, user="bob"))
    assert [one.t for one in told.events] == [Seen.SIGNED_IN, Told.BEAT]
    again = piece("p3", event(Told.BEAT, 9_000), at_ms=9_000, user="bob")
    assert with_sign_in(fold(before, told, GAP_MS), again) == again


def test_a_piece_of_another_room_is_a_fault_and_nothing_else() -> None:
    before = visit_of(piece("p1", event(Told.ENTER)))
    comment = piece("s1", event(Seen.COMMENT, id="c1"), room="other", user="bob", at_ms=9_000)
    after = fold(before, comment, GAP_MS)
    assert (after.faults, after.comments, after.user) == (1, 0, "")
    assert after.last_at_ms == before.last_at_ms


def test_who_comes_back_has_not_left() -> None:
    gone = visit_of(piece("p1", event(Told.ENTER)), piece("s1", event(Seen.GONE, 9_000)))
    assert gone.left
    back = piece("p2", event(Told.BEAT, 12_000), at_ms=12_000)
    assert not fold(gone, back, GAP_MS).left


def test_the_product_explained_last_is_kept() -> None:
    visit = visit_of(piece("p1", explaining="tea"), piece("p2"), piece("p3", explaining="cup"))
    assert visit.explaining == "cup"


@pytest.mark.parametrize(
    ("user", "guest"),
    [("", True), ("guest-abc", True), ("anonymous-x", True), ("bob", False), ("guesthouse", False)],
)
def test_guests_are_told_from_members_by_their_ids(user: str, guest: bool) -> None:
    assert is_guest(user) is guest


def test_an_unknown_event_of_a_newer_version_changes_nothing() -> None:
    before = visit_of(piece("p1", event(Told.ENTER), event(Told.VISIBLE)))
    after = fold(before, piece("p2", Event("danced", BEGAN_MS)), GAP_MS)
    assert after == before
