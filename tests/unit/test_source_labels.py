"""Names of sources that nobody has signed: heard as they are, and never without bound."""

from __future__ import annotations

from rooms.sharing.policy import default_policies
from rooms.sharing.sources import Source
from server.sharing import labels
from server.sharing.labels import DAY_MS, Labels

NEW_MAX = 20
SIGNLESS = Source("sms", "spring")
OTHER = Source("other", "")


class Clock:
    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


def labels_at(clock: Clock, most: int = NEW_MAX) -> Labels:
    return Labels(default_policies(), most, clock)


def test_names_are_recorded_as_they_are_said() -> None:
    heard = labels_at(Clock())
    assert heard.heard("demo", SIGNLESS) == SIGNLESS
    assert heard.heard("demo", Source()) == Source()
    assert heard.heard("demo", Source(campaign="spring")) == Source(campaign="spring")


def test_a_channel_that_no_policy_names_is_other() -> None:
    heard = labels_at(Clock())
    made_up = {heard.heard("demo", Source(f"c{number}")) for number in range(1_000)}
    assert made_up == {OTHER}
    assert heard.heard("demo", Source("api", "spring")) == Source("other", "spring")
    assert heard.heard("demo", Source("flyer", "may")) == Source("other", "may")


def test_a_machine_that_makes_up_campaigns_makes_other_and_known_ones_stand() -> None:
    clock = Clock()
    heard = labels_at(clock)
    heard.heard("demo", SIGNLESS)
    made_up = {heard.heard("demo", Source("sms", f"c{number}")) for number in range(10_000)}
    assert OTHER in made_up
    assert len(made_up) == NEW_MAX  # one was the first, and one is OTHER
    assert heard.heard("demo", SIGNLESS) == SIGNLESS
    assert heard.heard("demo", Source("sms")) == Source("sms")
    assert heard.heard("demo", Source()) == Source()
    assert heard.heard("another", Source("sms", "new")) == Source("sms", "new")
    assert heard.heard("demo", Source("sms", "later")) == OTHER
    clock.now_ms += DAY_MS
    assert heard.heard("demo", Source("sms", "later")) == Source("sms", "later")


def test_what_is_remembered_is_bounded() -> None:
    heard = labels_at(Clock(), 1_000)
    for number in range(labels.KNOWN_MAX // 1_000 + 2):
        for name in range(1_000):
            heard.heard(f"room-{number}", Source("sms", f"c{name}"))
    assert len(heard._known) == labels.KNOWN_MAX
