"""Where connections come from: networks and fingerprints, never addresses."""

from __future__ import annotations

import pytest

from server.sharing.open_visit import NOWHERE, Origin
from server.sharing.origins import ORIGINS_MAX, Origins, app_of, net_of, origin_of

WECHAT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) MicroMessenger/8.0.40(0x1800282a) Language/zh_CN"
QQ = "Mozilla/5.0 (Linux; Android 13) MQQBrowser/6.2 TBS/046291 V1_AND_SQ_9.0.8 QQ/9.0.8 NetType/4G"
QQ_BROWSER = "Mozilla/5.0 (Linux; Android 13) Chrome/98.0 MQQBrowser/14.2 Mobile Safari/537.36"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Safari/604.1"


@pytest.mark.parametrize(
    ("host", "net"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("203.0.113.77%eth0", "203.0.113.0/24"),
        ("203.0.113", ""),
        ("203.0.113.256", ""),
        ("203.0.113.7.7", ""),
        ("203.0.113.077", ""),
        ("203.0.113.７７", ""),
        ("203.0.113.77\0", ""),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_of_an_address_only_its_network_is_kept(host: str, net: str) -> None:
    assert net_of(host) == net


@pytest.mark.parametrize(
    ("user_agent", "app"),
    [
        (WECHAT, "wechat"),
        (QQ, "qq"),
        ("QQ/9.0.8", "qq"),
        (f"{WECHAT} QQ/9.0.8", "wechat"),
        (QQ_BROWSER, ""),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/109.0 QQBrowser/12.0", ""),
        (SAFARI, ""),
        ("", ""),
    ],
)
def test_the_browser_of_an_app_is_told_by_its_name(user_agent: str, app: str) -> None:
    assert app_of(user_agent) == app


def test_a_fingerprint_depends_on_browser_and_languages_and_says_neither() -> None:
    def agent(user_agent: str, language: str) -> str:
        headers = {"user-agent": user_agent, "accept-language": language}
        return origin_of("203.0.113.77", headers).agent

    known = {agent(SAFARI, "en"), agent(SAFARI, "zh"), agent(WECHAT, "zh")}
    assert len(known) == 3
    assert agent(SAFARI, "en") == agent(SAFARI, "en")
    assert all(len(bytes.fromhex(one)) == 8 for one in known)
    assert origin_of("203.0.113.77", {}).agent == ""


def test_connections_from_one_place_share_one_object() -> None:
    origins = Origins()
    headers = {"user-agent": SAFARI, "accept-language": "en"}
    first = origins.of("203.0.113.1", dict(headers))
    assert origins.of("203.0.113.2", dict(headers)) is first
    other = origins.of("198.51.100.1", dict(headers))
    assert other != first
    assert other.agent is first.agent
    assert origins.of("", {}) is NOWHERE


def test_remembering_places_is_bounded() -> None:
    origins = Origins()
    for number in range(ORIGINS_MAX + 10):
        host = f"10.{number >> 8 & 255}.{number & 255}.1"
        assert origins.of(host, {"user-agent": f"browser {number}"}).net
    assert len(origins._known) <= ORIGINS_MAX
    assert origins.of("10.0.0.1", {}) == Origin("10.0.0.0/24", "", "")
