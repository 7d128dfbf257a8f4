"""Names of sources that nobody has signed: heard as they are, and never without bound."""

from __future__ import annotations

from rooms.sharing.sources import Source
from server.sharing import labels
from server.sharing.labels import Labels

SIGNLESS = Source("sms", "spring")
OTHER = Source("other", "")


def test_names_are_recorded_as_they_are_said() -> None:
    heard = Labels(lambda: 0.0)
    assert heard.heard("demo", SIGNLESS) == SIGNLESS
    assert heard.heard("demo", Source()) == Source()
    assert heard.heard("demo", Source("api", "spring")) == Source("other", "spring")


def test_a_machine_that_makes_up_names_makes_other_and_known_ones_stand() -> None:
    now_s = 0.0
    heard = Labels(lambda: now_s)
    heard.heard("demo", SIGNLESS)
    made_up = {heard.heard("demo", Source("sms", f"c{number}")) for number in range(10_000)}
    assert OTHER in made_up
    assert len(made_up) <= labels.NEW_BURST + 1
    assert heard.heard("demo", SIGNLESS) == SIGNLESS
    assert heard.heard("demo", Source()) == Source()
    assert heard.heard("another", Source("sms", "new")) == Source("sms", "new")
    now_s = 61.0
    assert heard.heard("demo", Source("sms", "later")) == Source("sms", "later")


def test_what_is_remembered_is_bounded() -> None:
    heard = Labels(lambda: 0.0)
    for number in range(labels.KNOWN_MAX // labels.NEW_BURST + 2):
        for name in range(labels.NEW_BURST):
            heard.heard(f"room-{number}", Source("sms", f"c{name}"))
    assert len(heard._known) == labels.KNOWN_MAX
