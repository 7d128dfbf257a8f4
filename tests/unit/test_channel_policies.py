"""What may be shared where and who is rewarded for it: the table, and a merchant's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rooms.sharing.policy import LANGUAGES, BadPolicies, RewardTo, default_policies
from server.__main__ import main
from server.settings import BadSetting
from server.sharing.origins import APP_MARKS
from server.sharing.policies import load_policies, policy_json

POLICIES = default_policies()
OPEN = """
[shop_tv]
may_share = true
show_rewards = true
count_arrivals = true
reward = "arrival"
why.zh-CN = "自有"
why.en = "Our own"
"""


def test_every_policy_says_why_in_every_language_and_where_it_is_from() -> None:
    policies = list(POLICIES)
    assert {"wechat", "weibo", "douyin", "sms", "app", "poster", "copy", "other"} <= {
        policy.channel for policy in policies
    }
    for policy in policies:
        assert set(policy.why) == set(LANGUAGES), policy.channel
        assert all(policy.why.values()), policy.channel
        assert policy.source, policy.channel


def test_rewards_are_shown_only_where_the_inviter_gets_them() -> None:
    for policy in POLICIES:
        assert not policy.show_rewards or policy.reward is RewardTo.INVITER, policy.channel
        assert policy.count_arrivals or policy.reward is RewardTo.NOBODY, policy.channel


@pytest.mark.parametrize("app", ["wechat", "qq"])
@pytest.mark.parametrize("channel", [*(policy.channel for policy in POLICIES), "never heard of"])
def test_inside_wechat_and_qq_nothing_is_shown_or_counts_whatever_the_channel(
    channel: str, app: str
) -> None:
    policy = POLICIES.of(channel, app)
    assert policy.channel == channel
    assert policy.may_share
    assert not policy.show_rewards
    assert not policy.count_arrivals
    assert policy.reward is RewardTo.NOBODY
    assert policy.why == POLICIES.of(app).why


def test_an_app_whose_rule_holds_in_its_browser_is_one_whose_browser_is_known() -> None:
    assert {policy.channel for policy in POLICIES if policy.app} == {app for _, app in APP_MARKS}


def test_a_link_made_for_wechat_stays_plain_outside_of_it() -> None:
    policy = POLICIES.of("wechat", "")
    assert (policy.show_rewards, policy.count_arrivals, policy.reward) == (
        False,
        False,
        RewardTo.NOBODY,
    )


def test_a_channel_without_a_policy_has_that_of_other_under_its_own_name() -> None:
    policy = POLICIES.of("never heard of")
    assert policy.channel == "never heard of"
    assert policy.why == POLICIES.of("other").why
    assert "never heard of" not in POLICIES


def test_a_channel_that_is_no_app_changes_nothing_as_an_app() -> None:
    assert POLICIES.of("copy", "weibo") == POLICIES.of("copy")
    assert POLICIES.of("copy", "no app") == POLICIES.of("copy")


def test_the_stricter_of_two_rules_holds() -> None:
    changed = POLICIES.changed_by('[wechat]\ncount_arrivals = true\nreward = "arrival"\n')
    policy = changed.of("copy", "wechat")
    assert (policy.show_rewards, policy.count_arrivals) == (False, True)
    assert policy.reward is RewardTo.ARRIVAL
    assert changed.of("qq", "wechat").reward is RewardTo.NOBODY


def test_a_merchants_table_changes_what_it_names_and_adds_channels() -> None:
    changed = POLICIES.changed_by("[weibo]\nmay_share = false\n" + OPEN)
    assert not changed.of("weibo").may_share
    assert changed.of("weibo").why == POLICIES.of("weibo").why
    assert changed.of("shop_tv").reward is RewardTo.ARRIVAL
    assert POLICIES.of("weibo").may_share


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[copy", "is not TOML"),
        ("copy = 1", "copy: must be a table"),
        ("[Copy]\n", "Copy: a channel is"),
        ("[copy]\nmay_share = 1", "copy.may_share: must be true or false"),
        ("[copy]\nreward = 'everybody'", "copy.reward: must be one of inviter, arrival, nobody"),
        ("[copy]\nreward = []", "copy.reward: must be one of"),
        ("[copy]\nshares = true", "copy.shares: is not a key of a policy"),
        ("[copy]\nwhy = 'because'", "copy.why: must have zh-CN and en"),
        ("[copy]\nwhy.en = 'x'", "copy.why: must have zh-CN and en"),
        ("[copy]\nwhy.en = 'x'\nwhy.zh-CN = ''", "copy.why.zh-CN: must be text of"),
        ("[tv]\nmay_share = true", "tv.show_rewards: is missing"),
    ],
)
def test_a_mistake_in_a_merchants_table_is_named(text: str, named: str) -> None:
    with pytest.raises(BadPolicies, match=named.replace(".", r"\.")):
        POLICIES.changed_by(text)


def test_the_setting_names_the_file_and_the_key(tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text("[copy]\nreward = 'all'", "utf-8")
    with pytest.raises(
        BadSetting, match=r"ONAIR_CHANNEL_POLICIES_FILE.*policies\.toml: copy\.reward"
    ):
        load_policies(file)
    with pytest.raises(BadSetting, match=r"missing\.toml cannot be read"):
        load_policies(tmp_path / "missing.toml")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="cannot be read"):
        load_policies(file)
    file.write_text("[copy]\nmay_share = false\n", "utf-8")
    assert not load_policies(file).of("copy").may_share
    assert load_policies(None).of("copy").may_share


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_mistake_stops_the_start(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    file = tmp_path / "policies.toml"
    file.write_text("[copy]\nshare = true\n", "utf-8")
    monkeypatch.setenv("ONAIR_TOKEN_SECRET", "0123456789abcdefghijklmnopqrstuv")
    monkeypatch.setenv("ONAIR_API_KEY", "vutsrqponmlkjihgfedcba9876543210")
    monkeypatch.setenv("ONAIR_CHANNEL_POLICIES_FILE", str(file))
    monkeypatch.setenv("ONAIR_DATA_DIR", str(tmp_path / "data"))
    assert main([command]) != 0
    assert "ONAIR_CHANNEL_POLICIES_FILE" in (said := capsys.readouterr().err)
    assert "copy.share: is not a key of a policy" in said
    assert not (tmp_path / "data").exists()


def test_a_policy_as_pages_get_it() -> None:
    assert policy_json(POLICIES.of("wechat")) == {
        "channel": "wechat",
        "may_share": True,
        "show_rewards": False,
        "count_arrivals": False,
        "reward": "nobody",
        "why": dict(POLICIES.of("wechat").why),
    }
