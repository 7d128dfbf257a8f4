"""What scenarios with crowds share: their aims in the report, and events by lane."""

from __future__ import annotations

import orjson
import pytest

from loadtest.bench.contenders import Contender
from loadtest.bench.scene import METRIC, Aim, Laned, Scene
from loadtest.dialects import Centrifuge


@pytest.mark.parametrize(
    ("value", "at_least", "said"),
    [
        (400.0, False, "✓ delivery, ms: 400, at most 400"),
        (401.0, False, "✗ delivery, ms: 401, at most 400"),
        (399.0, True, "✗ delivery, ms: 399, at least 400"),
    ],
)
def test_an_aim_says_whether_it_is_met(value: float, at_least: bool, said: str) -> None:
    assert str(Aim("delivery, ms", value, 400, at_least=at_least)) == said


def test_a_scene_ends_with_its_aims() -> None:
    scene = Scene("herd", True, (), {"back_s": 5.0}, "A herd", (Aim("back, s", 5.0, 15),))
    assert scene.text == "A herd\n  ✓ back, s: 5, at most 15"
    assert scene.as_json()["aims"] == [
        {"what": "back, s", "value": 5.0, "bound": 15, "at_least": False, "met": True}
    ]


def test_one_event_in_so_many_is_a_change_of_state_and_all_are_as_big_as_asked() -> None:
    plain = Contender("onair", Centrifuge("r"), 1, 1, "/", (), (("channel", "room:r"),), ())
    laned = Laned.of(plain, state_every=3, pad_bytes=100)
    bodies = [orjson.loads(laned.body({"n": number})) for number in range(1, 7)]
    assert [body["lane"] for body in bodies] == ["chat", "chat", "state"] * 2
    assert {len(body["data"]["pad"]) for body in bodies} == {100}
    assert {body["channel"] for body in bodies} == {"room:r"}


def test_closes_are_read_by_code() -> None:
    text = (
        'onair_closed_total{code="3008",worker="w"} 12.0\nonair_closed_created{code="3008"} 1.0\n'
    )
    assert METRIC.findall(text) == [("3008", "12.0")]
