"""Where nobody answers: a step of the search for the knee, and a machine that wants to join."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from loadtest.rehearsal import finder, joining
from loadtest.rehearsal.director import Rehearsal
from loadtest.rehearsal.generators import Load
from loadtest.rehearsal.http import Api
from loadtest.rehearsal.plan import Item, Plan
from loadtest.rehearsal.progress import Display
from loadtest.rehearsal.records import Step, read_lines
from loadtest.rehearsal.shadow import Shadow
from loadtest.rehearsal.trouble import CutShort, Trouble

NOWHERE = "http://127.0.0.1:9"  # nothing listens at this port


def test_a_step_that_ends_with_an_error_leaves_a_line_that_proves_nothing(tmp_path: Path) -> None:
    plan = Plan("a search", (Item("mug", "Mug", 10, 100),))
    own, shop = Api(NOWHERE), Api(f"{NOWHERE}/rehearsal")
    shadow = Shadow("rh-0a1b2c3d", plan, server=own, api=own, shop=shop)
    said = io.StringIO()
    finder.search(Rehearsal(shadow, tmp_path, Display(said), Load(), stopped=lambda: ""))
    (step,) = read_lines(tmp_path, finder.STEPS, Step)
    assert (step.factor, step.orders_per_s, step.answered_per_s) == (1, 10, 0)
    assert step.void[0].startswith("not finished: ")
    assert "cannot be reached" in step.void[0]
    assert step.void[0] in said.getvalue()


def test_who_joins_where_nobody_directs_is_told_so_in_time(unused_tcp_port: int) -> None:
    with pytest.raises(Trouble, match=f"127.0.0.1, port {unused_tcp_port}"):
        joining.join("127.0.0.1", unused_tcp_port, 1, lambda: "", within_s=0.3)


def test_who_waits_to_join_can_be_stopped(unused_tcp_port: int) -> None:
    with pytest.raises(CutShort, match="stopped by a test"):
        joining.join("127.0.0.1", unused_tcp_port, 1, lambda: "a test")
