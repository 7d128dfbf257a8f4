"""When an arrival counts, and every reason for which one does not, in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rooms.sharing.arrivals import Facts, Thresholds, Verdict, judge, qualifies

THRESHOLDS = Thresholds(member_only=True)  # otherwise nobody is refused for being a guest
GENUINE = Facts(
    counts=True,
    own=False,
    own_browser=False,
    banned=False,
    person_known=False,
    device_known=False,
    counted=False,
    faults=0,
    entered_at_ms=1_000_000,
    first_action_at_ms=1_020_000,
    device_persons=1,
    net_arrivals=1,
    agent_arrivals=1,
    visible_ms=60_000,
    actions=1,
    member=True,
    qualified_at_ms=1_060_000,
    ends_at_ms=2_000_000,
)
# Every refusal, in the order of `Verdict`, with facts that bring it about.
REFUSALS: dict[Verdict, dict[str, Any]] = {
    Verdict.CHANNEL_POLICY: {"counts": False},
    Verdict.SELF_INVITE: {"own": True},
    Verdict.BANNED: {"banned": True},
    Verdict.NOT_NEW_PERSON: {"person_known": True},
    Verdict.NOT_NEW_DEVICE: {"device_known": True},
    Verdict.REPEAT: {"counted": True},
    Verdict.IMPOSSIBLE_SPEED: {"faults": 1},
    Verdict.DEVICE_CLUSTER: {"device_persons": 2},
    Verdict.ADDRESS_CLUSTER: {"net_arrivals": 4},
    Verdict.AGENT_CLUSTER: {"agent_arrivals": 3},
    Verdict.TOO_SHORT: {"visible_ms": 59_999, "qualified_at_ms": None},
    Verdict.NO_ACTION: {"actions": 0, "first_action_at_ms": None, "qualified_at_ms": None},
    Verdict.NOT_MEMBER: {"member": False},
    Verdict.LADDER_OVER: {"qualified_at_ms": 2_000_000},
}


def test_somebody_new_who_stayed_and_acted_counts() -> None:
    assert judge(GENUINE, THRESHOLDS) is Verdict.VALID


def test_a_guest_counts_unless_the_ladder_wants_members() -> None:
    assert judge(replace(GENUINE, member=False), Thresholds()) is Verdict.VALID


@pytest.mark.parametrize("verdict", REFUSALS, ids=str)
def test_each_refusal_has_its_facts(verdict: Verdict) -> None:
    assert judge(replace(GENUINE, **REFUSALS[verdict]), THRESHOLDS) is verdict


def test_no_refusal_is_left_out_of_the_table_above() -> None:
    words = list(Verdict)
    assert list(REFUSALS) == words[words.index(Verdict.CHANNEL_POLICY) :]


@pytest.mark.parametrize("verdict", REFUSALS, ids=str)
def test_of_several_reasons_the_first_in_the_order_is_given(verdict: Verdict) -> None:
    later = list(REFUSALS)[list(REFUSALS).index(verdict) :]
    facts = GENUINE
    for each in reversed(later):  # what an earlier reason says of a fact stands
        facts = replace(facts, **REFUSALS[each])
    assert judge(facts, THRESHOLDS) is verdict


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"first_action_at_ms": 1_000_999}, Verdict.IMPOSSIBLE_SPEED),
        ({"first_action_at_ms": 1_001_000}, Verdict.VALID),
        ({"net_arrivals": 3}, Verdict.VALID),
        ({"agent_arrivals": 2}, Verdict.VALID),
        ({"device_persons": 0}, Verdict.VALID),  # nobody has signed in on it
        ({"qualified_at_ms": 1_999_999}, Verdict.VALID),
        ({"qualified_at_ms": None}, Verdict.LADDER_OVER),
    ],
    ids=str,
)
def test_at_a_bound_it_still_counts(facts: dict[str, Any], verdict: Verdict) -> None:
    assert judge(replace(GENUINE, **facts), THRESHOLDS) is verdict


@pytest.mark.parametrize(
    ("most", "agent_arrivals", "verdict"),
    [
        (0, 0, Verdict.VALID),  # nobody has qualified with such a browser
        (0, 1, Verdict.SELF_INVITE),
        (1, 1, Verdict.VALID),
        (1, 2, Verdict.SELF_INVITE),
        (5, 3, Verdict.AGENT_CLUSTER),  # the other bound stands
    ],
)
def test_browsers_like_the_inviters_own_count_as_often_as_the_ladder_says(
    most: int, agent_arrivals: int, verdict: Verdict
) -> None:
    facts = replace(GENUINE, own_browser=True, agent_arrivals=agent_arrivals)
    assert judge(facts, Thresholds(own_browser_max=most)) is verdict


def test_a_ladder_may_have_thresholds_of_its_own() -> None:
    strict = Thresholds(stay_ms=90_000, actions=2, arrivals_per_net_max=1)
    assert judge(GENUINE, strict) is Verdict.TOO_SHORT
    assert judge(replace(GENUINE, visible_ms=90_000), strict) is Verdict.NO_ACTION
    assert judge(replace(GENUINE, net_arrivals=2), strict) is Verdict.ADDRESS_CLUSTER


@pytest.mark.parametrize(
    ("visible_ms", "actions", "expected"),
    [(60_000, 1, True), (59_999, 1, False), (60_000, 0, False), (600_000, 30, True)],
)
def test_a_visit_qualifies_by_its_stay_and_its_actions(
    visible_ms: int, actions: int, expected: bool
) -> None:
    assert qualifies(visible_ms, actions, THRESHOLDS) is expected
