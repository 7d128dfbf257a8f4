"""Whether somebody who came by an invitation counts: the words, and the rules in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What became of one invited visit. Everything from CHANNEL_POLICY on is a refusal; the first
    that applies, in this order, is the reason."""

    OPEN = "open"  # the visit goes on and has not qualified yet
    QUALIFIED = "qualified"  # stayed and acted; judged when its settling time is over
    VALID = "valid"
    CHANNEL_POLICY = "channel_policy"  # the channel's policy does not let it count
    SELF_INVITE = "self_invite"  # the inviter, or a device or browser the inviter has used
    BANNED = "banned"  # the person or the inviter is banned from the room
    NOT_NEW_PERSON = "not_new_person"  # had visited before the link was opened
    NOT_NEW_DEVICE = "not_new_device"
    REPEAT = "repeat"  # person or device has counted in this ladder already
    IMPOSSIBLE_SPEED = "impossible_speed"  # claims more time than has passed, or acts too quickly
    DEVICE_CLUSTER = "device_cluster"  # several persons on this device
    ADDRESS_CLUSTER = "address_cluster"  # too many arrivals of one network
    AGENT_CLUSTER = "agent_cluster"  # too many alike browsers of one network
    TOO_SHORT = "too_short"  # over before the stay was reached, page visible
    NO_ACTION = "no_action"  # stayed, and did nothing
    NOT_MEMBER = "not_member"  # a guest, where only members count
    LADDER_OVER = "ladder_over"  # qualified after the ladder's end


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an arrival is valid; each ladder may have its own."""

    stay_ms: int = 60_000  # with the page visible, by the server's account
    actions: int = 1
    settle_ms: int = 60_000  # between qualifying and judgement, so that a farm shows itself
    first_action_after_ms: int = 1_000  # nobody acts sooner after entering
    persons_per_device_max: int = 1
    arrivals_per_net_max: int = 3  # in `cluster_window_ms`, over the whole ladder
    arrivals_per_agent_max: int = 2  # of one network and one browser fingerprint
    own_browser_max: int = 0  # of them, when the inviter has used such a browser there
    cluster_window_ms: int = 86_400_000
    member_only: bool = False  # guests, signed in nowhere, do not count


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one arrival when it is judged. Counts include this arrival itself."""

    counts: bool  # by the policy of its channel and of the app it was opened in
    own: bool  # the person is the inviter, or the inviter has used the device
    own_browser: bool  # the inviter has come from this network with an alike browser
    banned: bool  # the person or the inviter
    person_known: bool  # came or bought before this inviter's link was opened
    device_known: bool  # the same; also when no device was told
    counted: bool  # person or device has counted in this ladder
    faults: int
    entered_at_ms: int
    first_action_at_ms: int | None
    device_persons: int
    net_arrivals: int  # that qualified in the window around this one
    agent_arrivals: int  # the same, of alike browsers
    visible_ms: int
    actions: int
    member: bool  # the shop has signed the person in during the visit
    qualified_at_ms: int | None
    ends_at_ms: int  # of the ladder


def qualifies(visible_ms: int, actions: int, thresholds: Thresholds) -> bool:
    """Whether a visit has lasted and done enough to be judged for its inviter."""
    return visible_ms >= thresholds.stay_ms and actions >= thresholds.actions


def judge(facts: Facts, thresholds: Thresholds) -> Verdict:
    """VALID, or the first reason against it in the order of `Verdict`. Same facts, same verdict."""
    return next((verdict for verdict, applies in _RULES if applies(facts, thresholds)), _COUNTS)


def _at_home(facts: Facts, thresholds: Thresholds) -> bool:
    """Private windows of the inviter's own browser are new devices, and nobody new."""
    return facts.own_browser and facts.agent_arrivals > thresholds.own_browser_max


def _too_quick(facts: Facts, thresholds: Thresholds) -> bool:
    first_ms = facts.first_action_at_ms
    if facts.faults:
        return True
    return (
        first_ms is not None and first_ms - facts.entered_at_ms < thresholds.first_action_after_ms
    )


def _too_late(facts: Facts, _thresholds: Thresholds) -> bool:
    return facts.qualified_at_ms is None or facts.qualified_at_ms >= facts.ends_at_ms


_COUNTS: Final = Verdict.VALID
_RULES: Final[tuple[tuple[Verdict, Callable[[Facts, Thresholds], bool]], ...]] = (
    (Verdict.CHANNEL_POLICY, lambda facts, _: not facts.counts),
    (Verdict.SELF_INVITE, lambda facts, limits: facts.own or _at_home(facts, limits)),
    (Verdict.BANNED, lambda facts, _: facts.banned),
    (Verdict.NOT_NEW_PERSON, lambda facts, _: facts.person_known),
    (Verdict.NOT_NEW_DEVICE, lambda facts, _: facts.device_known),
    (Verdict.REPEAT, lambda facts, _: facts.counted),
    (Verdict.IMPOSSIBLE_SPEED, _too_quick),
    (Verdict.DEVICE_CLUSTER, lambda f, limits: f.device_persons > limits.persons_per_device_max),
    (Verdict.ADDRESS_CLUSTER, lambda f, limits: f.net_arrivals > limits.arrivals_per_net_max),
    (Verdict.AGENT_CLUSTER, lambda f, limits: f.agent_arrivals > limits.arrivals_per_agent_max),
    (Verdict.TOO_SHORT, lambda facts, limits: facts.visible_ms < limits.stay_ms),
    (Verdict.NO_ACTION, lambda facts, limits: facts.actions < limits.actions),
    (Verdict.NOT_MEMBER, lambda facts, limits: limits.member_only and not facts.member),
    (Verdict.LADDER_OVER, _too_late),
)
