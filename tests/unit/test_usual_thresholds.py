"""Each threshold of an arrival that is a number has a setting, for ladders that do not say it."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from rooms.sharing.arrivals import Thresholds
from server.settings import Limits, Settings
from server.sharing.reward_desk import usual_thresholds

SETTINGS = {
    "stay_ms": ("arrival_stay_s", 1_000),
    "actions": ("arrival_actions", 1),
    "settle_ms": ("arrival_settle_s", 1_000),
    "first_action_after_ms": ("first_action_after_ms", 1),
    "persons_per_device_max": ("persons_per_device_max", 1),
    "arrivals_per_net_max": ("arrivals_per_net_max", 1),
    "arrivals_per_agent_max": ("arrivals_per_agent_max", 1),
    "own_browser_max": ("own_browser_max", 1),
    "cluster_window_ms": ("cluster_window_ms", 1),
}


def test_without_settings_a_ladder_has_the_documented_thresholds() -> None:
    assert usual_thresholds(Limits()) == Thresholds()


@pytest.mark.parametrize(
    "name", [spec.name for spec in fields(Thresholds) if spec.name != "member_only"]
)
def test_each_threshold_follows_a_setting_of_its_own(name: str) -> None:
    setting, size = SETTINGS[name]
    limits = Settings.from_env({f"ONAIR_{setting.upper()}": "7"}).limits
    expected = asdict(Thresholds()) | {name: 7 * size}
    assert asdict(usual_thresholds(limits)) == expected


@pytest.mark.parametrize(
    "name", ["arrival_actions", "arrival_settle_s", "first_action_after_ms", "own_browser_max"]
)
def test_a_threshold_that_may_be_none_in_a_ladder_may_be_none_in_the_settings(name: str) -> None:
    limits = Settings.from_env({f"ONAIR_{name.upper()}": "0"}).limits
    assert getattr(limits, name) == 0
