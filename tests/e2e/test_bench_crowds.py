"""The scenarios with crowds, tiny: real servers by their real command, every event counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.test_bench import bench

SCENARIOS = ("bigroom", "slow", "herd", "recovery", "inbound")
TINY = ("--quick", "--viewers", "40", "--rounds", "1", "--seconds", "2")


@pytest.fixture(scope="module")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a run of all of them said and found; a void round, as on a busy machine, says why."""
    done, figures = bench(tmp_path_factory.mktemp("crowds"), *SCENARIOS, *TINY)
    assert done.returncode == (0 if figures["complete"] else 1), done.stderr
    assert figures["complete"] or figures["void"]
    return done.stdout, figures


def test_in_a_loud_room_every_event_comes_and_every_order_is_answered(crowds: Any) -> None:
    said, figures = crowds
    assert "A big room: 40 viewers on one worker" in said
    room = figures["bigroom"]
    coming = room["filling"]["coming"]
    assert coming["viewers"] == coming["health"]["sockets_open"] == 40
    [turn] = room["turns"]
    assert (turn["fanout"]["delivered"], turn["fanout"]["events"]) == (80 * 40, 80)
    assert turn["silent"]["outcomes"] == turn["loud"]["outcomes"] == {"reserved": 200}
    assert turn["books_agree"]
    witnesses = 20
    assert turn["state_late_ms"]["count"] == 80 // 20 * witnesses
    assert turn["chat_late_ms"]["count"] == 80 * witnesses - turn["state_late_ms"]["count"]


def test_slow_readers_are_closed_with_their_code_and_come_back_without_a_gap(
    crowds: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    said, figures = crowds
    assert "Slow readers: 4 of 40 viewers stop reading" in said
    [turn] = figures["slow"]["turns"]
    for _ in range(2):  # a turn that this machine was too busy for is played again
        if min(turn["stopped"]["closed"], turn["stopped"]["told"]) >= 4:
            break
        _done, figures = bench(tmp_path_factory.mktemp("slow"), "slow", *TINY)
        [turn] = figures["slow"]["turns"]
    stopped = turn["stopped"]
    assert stopped["count"] == 4
    assert stopped["closed"] >= 4
    assert stopped["told"] >= 4
    assert stopped["behind"] == 0
    others, events = 36, 200
    for half in ("before", "during"):
        assert turn[half]["delivered"] == others * events


def test_a_herd_comes_back_with_everything_it_missed_and_no_buyer_notices(crowds: Any) -> None:
    said, figures = crowds
    assert "A herd: 40 viewers are cut off at once" in said
    rounds = figures["herd"]["rounds"]
    assert [each["heeds_retry_after"] for each in rounds] == [False, True]
    for each in rounds:
        assert each["missed"] == 0
        assert each["testimony"]["missing"] == each["testimony"]["repeated"] == 0
        assert each["buyers"]["outcomes"] == {"reserved": 200}
        assert each["books_agree"]
        assert 0.5 <= each["back_s_half"] <= each["back_s"]  # nobody comes sooner than an SDK


def test_everybody_who_comes_back_recovers_what_he_missed(crowds: Any) -> None:
    said, figures = crowds
    assert "Recoveries: 40 viewers come back, each 20 events behind" in said
    [turn] = figures["recovery"]["turns"]
    assert turn["first"]["viewers"] == turn["back"]["viewers"] == 40
    assert not [why for why in figures["void"] if "did not recover" in why]


def test_every_like_and_comment_is_answered_and_a_flood_loses_nobody_an_event(crowds: Any) -> None:
    said, figures = crowds
    assert "Inbound: what viewers send" in said
    inbound = figures["inbound"]
    assert [(r["kind"], r["answers"]["unanswered"]) for r in inbound["rounds"]] == [
        ("likes", 0),
        ("comments", 0),
    ]
    [turn] = inbound["floods"]
    assert turn["sent"] > 0
    for half in ("alone", "flooded"):
        assert turn[half]["delivered"] == 40 * 40
        assert turn[half]["testimony"]["missing"] == 0
