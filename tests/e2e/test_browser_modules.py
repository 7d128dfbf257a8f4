"""The modules of the pages under Node: every order of events that a socket can make."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.processes import REPOSITORY

FOLDER = REPOSITORY / "tests" / "e2e" / "js_unit"


@pytest.mark.needs_node
def test_the_modules_pass_their_node_tests() -> None:
    tests = sorted(path.name for path in FOLDER.glob("*.test.mjs"))
    run = subprocess.run(
        ["node", "--test", *tests],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    passed = re.search(r"^\W*pass (\d+)$", run.stdout, re.M)
    assert passed
    assert int(passed[1]) > len(tests)
