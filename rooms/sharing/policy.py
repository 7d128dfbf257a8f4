"""Per channel: what may be shared, what counts, and who may be rewarded. Rules as data.

Knows the form of the table and which of two rules is the stricter; refuses to know where a
merchant's own table is kept.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources
from typing import Any, Final

LANGUAGES: Final = ("zh-CN", "en")
OTHER: Final = "other"  # the policy of every channel without one of its own
CHANNEL_CHARS_MAX: Final = 32
TEXT_CHARS_MAX: Final = 300

_FILE: Final = "policies.toml"
_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


class RewardTo(StrEnum):
    """Who is rewarded for a valid arrival. The stricter ones come later."""

    INVITER = "inviter"
    ARRIVAL = "arrival"  # the newcomer, for what they did themselves
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ChannelPolicy:
    """What holds for one channel. `why` is its reason in each of LANGUAGES, for people."""

    channel: str
    may_share: bool
    show_rewards: bool
    count_arrivals: bool
    reward: RewardTo
    why: Mapping[str, str]
    source: str = ""  # where the rule comes from
    app: bool = False  # holds for whatever is opened in this app's own browser as well


class BadPolicies(ValueError):
    """A table of policies cannot be used; the text names the key and says why."""


class Policies:
    """The table. It always has OTHER; iterating gives the policies in their order."""

    def __init__(self, table: Mapping[str, ChannelPolicy]) -> None:
        if OTHER not in table:
            raise BadPolicies(f"{OTHER}: is missing")
        self._table = dict(table)

    def __iter__(self) -> Iterator[ChannelPolicy]:
        return iter(self._table.values())

    def __contains__(self, channel: object) -> bool:
        return channel in self._table

    def of(self, channel: str, app: str = "") -> ChannelPolicy:
        """What holds for `channel` when it is used inside the browser of `app` ("": none).

        Of both rules the stricter holds, whatever the link's own channel says.
        """
        policy = self._table.get(channel) or replace(self._table[OTHER], channel=channel)
        inside = self._table.get(app)
        if inside is None or not inside.app or inside.channel == channel:
            return policy
        return replace(
            policy,
            may_share=policy.may_share and inside.may_share,
            show_rewards=policy.show_rewards and inside.show_rewards,
            count_arrivals=policy.count_arrivals and inside.count_arrivals,
            reward=max(policy.reward, inside.reward, key=list(RewardTo).index),
            why=inside.why,
            source=inside.source,
        )

    def changed_by(self, text: str) -> Policies:
        """This table with what a merchant's own TOML text says. Raises `BadPolicies`.

        Keys that it leaves out stay as they are; a new channel needs all of them.
        """
        return Policies(self._table | parse_policies(text, self._table))


def default_policies() -> Policies:
    """The table that comes with the package. Reads a file: call it once, at start."""
    file = resources.files(__package__ or "rooms.sharing").joinpath(_FILE)
    return Policies(parse_policies(file.read_text("utf-8"), {}))


def parse_policies(text: str, known: Mapping[str, ChannelPolicy]) -> dict[str, ChannelPolicy]:
    """The channels of a TOML text; what one leaves out comes from `known`. Raises `BadPolicies`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicies(f"is not TOML: {error}") from None
    return {channel: _policy(channel, table, known) for channel, table in tables.items()}


def _policy(channel: str, table: Any, known: Mapping[str, ChannelPolicy]) -> ChannelPolicy:
    if not _CHANNEL.fullmatch(channel):
        raise BadPolicies(f"{channel}: a channel is 1 to {CHANNEL_CHARS_MAX} of a-z 0-9 _")
    if not isinstance(table, dict):
        raise BadPolicies(f"{channel}: must be a table")
    for key in table:
        if key not in _FIELDS:
            raise BadPolicies(f"{channel}.{key}: is not a key of a policy")
    values: dict[str, Any] = {
        key: read(f"{channel}.{key}", table[key]) for key, read in _FIELDS.items() if key in table
    }
    if channel in known:
        return replace(known[channel], **values)
    for key in _NEEDED:
        if key not in values:
            raise BadPolicies(f"{channel}.{key}: is missing")
    return ChannelPolicy(channel, **values)


def _yes_or_no(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadPolicies(f"{key}: must be true or false")
    return value


def _reward(key: str, value: Any) -> RewardTo:
    if value not in tuple(RewardTo):
        raise BadPolicies(f"{key}: must be one of {', '.join(RewardTo)}")
    return RewardTo(value)


def _line(key: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= TEXT_CHARS_MAX:
        raise BadPolicies(f"{key}: must be text of 1 to {TEXT_CHARS_MAX} characters")
    return value


def _why(key: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or set(value) != set(LANGUAGES):
        raise BadPolicies(f"{key}: must have {' and '.join(LANGUAGES)}")
    return {language: _line(f"{key}.{language}", value[language]) for language in LANGUAGES}


_FIELDS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "may_share": _yes_or_no,
    "show_rewards": _yes_or_no,
    "count_arrivals": _yes_or_no,
    "reward": _reward,
    "why": _why,
    "source": _line,
    "app": _yes_or_no,
}
_NEEDED: Final = ("may_share", "show_rewards", "count_arrivals", "reward", "why")
