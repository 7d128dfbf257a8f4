"""Who is bound to whom: the rules of bindings, case by case."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.sources import Binding, Touch, bind

DAYS_30 = 30
ANN = Binding("cat", "ann", "l-ann", 10, 40)


def touch(inviter: str, at_ms: int, *, own_device: bool = False) -> Touch:
    return Touch(f"v{at_ms}", inviter, f"l-{inviter}", at_ms, own_device)


@pytest.mark.parametrize(
    ("case", "last", "touches", "bound"),
    [
        ("nobody brought them", None, [], []),
        ("the first touch binds", None, [touch("ann", 10)], [("ann", 10, 40)]),
        ("the first of two binds", None, [touch("bob", 11), touch("ann", 10)], [("ann", 10, 40)]),
        ("not oneself", None, [touch("cat", 10)], []),
        ("nor on the inviter's device", None, [touch("ann", 10, own_device=True)], []),
        (
            "what is not valid leaves its place to the next",
            None,
            [touch("cat", 10), touch("ann", 11, own_device=True), touch("bob", 12)],
            [("bob", 12, 42)],
        ),
        ("not while a binding stands", ANN, [touch("bob", 39)], []),
        ("again when it is over", ANN, [touch("bob", 40)], [("bob", 40, 70)]),
        ("the same inviter again when it is over", ANN, [touch("ann", 41)], [("ann", 41, 71)]),
        ("the same touch again changes nothing", ANN, [touch("ann", 10)], []),
        ("an older touch that comes to light later is too late", ANN, [touch("bob", 5)], []),
        (
            "touches from before the sign-in count as if signed in",
            None,
            [touch("ann", 0), touch("bob", 10), touch("eve", 35)],
            [("ann", 0, 30), ("eve", 35, 65)],
        ),
    ],
)
def test_bindings(
    case: str, last: Binding | None, touches: list[Touch], bound: list[tuple[str, int, int]]
) -> None:
    made = [binding for _, binding in bind("cat", touches, last, DAYS_30)]
    assert [(one.inviter, one.bound_at_ms, one.until_ms) for one in made] == bound, case
    assert all(one.user == "cat" and one.link == f"l-{one.inviter}" for one in made)


TOUCHES = st.lists(
    st.builds(touch, st.sampled_from(["ann", "bob", "cat"]), st.integers(0, 200)),
    max_size=8,
    unique_by=lambda touch: touch.visit,
)


@given(TOUCHES.flatmap(lambda touches: st.tuples(st.just(touches), st.permutations(touches))))
def test_the_order_of_telling_does_not_matter(both: tuple[list[Touch], list[Touch]]) -> None:
    told, told_otherwise = both
    assert bind("cat", told, None, 30) == bind("cat", told_otherwise, None, 30)


@given(TOUCHES)
def test_at_most_one_binding_stands_and_told_again_nothing_changes(touches: list[Touch]) -> None:
    made = [binding for _, binding in bind("cat", touches, None, 30)]
    for earlier, later in itertools.pairwise(made):
        assert earlier.until_ms <= later.bound_at_ms
    assert all(one.inviter != "cat" for one in made)
    if made:
        assert bind("cat", touches, made[-1], 30) == []


@given(TOUCHES)
def test_told_one_by_one_in_time_is_as_told_at_once(touches: list[Touch]) -> None:
    at_once = [binding for _, binding in bind("cat", touches, None, 30)]
    one_by_one: list[Binding] = []
    for one in sorted(touches, key=lambda touch: (touch.at_ms, touch.visit)):
        last = one_by_one[-1] if one_by_one else None
        one_by_one += [binding for _, binding in bind("cat", [one], last, 30)]
    assert one_by_one == at_once


def test_a_binding_stands_from_its_first_instant_to_before_its_last() -> None:
    assert [ANN.stands(at_ms) for at_ms in (9, 10, 39, 40)] == [False, True, True, False]
