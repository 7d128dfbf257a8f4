"""Whether somebody who came by an invitation counts: the words, and the rules in their order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of one invited visit. Everything from CHANNEL_POLICY on is a refusal; the first
    that applies, in this order, is the reason."""

    OPEN = "open"  # the visit goes on and has not qualified yet
    QUALIFIED = "qualified"  # stayed and acted; judged when its settling time is over
    VALID = "valid"
    CHANNEL_POLICY = "channel_policy"  # the channel's policy does not let it count
    SELF_INVITE = "self_invite"  # the inviter, or a device the inviter has used
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
    cluster_window_ms: int = 86_400_000
