"""The policies of channels as this server has them: those of the package, and the merchant's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rooms.sharing.policy import BadPolicies, ChannelPolicy, Policies, default_policies
from server.settings import BadSetting

VARIABLE = "ONAIR_CHANNEL_POLICIES_FILE"


def load_policies(file: Path | None) -> Policies:
    """The table to go by. `BadSetting` names the file, and the key in it that is wrong."""
    policies = default_policies()
    if file is None:
        return policies
    try:
        return policies.changed_by(file.read_text("utf-8"))
    except BadPolicies as error:
        raise BadSetting(VARIABLE, f"{file}: {error}") from None
    except (OSError, ValueError) as error:
        raise BadSetting(VARIABLE, f"{file} cannot be read: {error}") from None


def policy_json(policy: ChannelPolicy) -> dict[str, Any]:
    """A policy as pages and the API get it."""
    return {
        "channel": policy.channel,
        "may_share": policy.may_share,
        "show_rewards": policy.show_rewards,
        "count_arrivals": policy.count_arrivals,
        "reward": policy.reward.value,
        "why": dict(policy.why),
    }
