"""Arrivals, rewards, coupons, orders and commissions in any order and twice: the books agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from server.database.engine import sqlite_url
from server.database.migrate import migrate
from tests.support.sharing_machine import SharingMachine


def test_whatever_happens_nothing_is_given_twice_and_every_cent_is_accounted_for(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    template = tmp_path / "template.sqlite3"
    migrate(sqlite_url(template))

    class Machine(SharingMachine):
        pass

    Machine.template = template
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8 * pytestconfig.getoption("--seeds"),
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
