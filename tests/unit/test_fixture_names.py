"""Fixtures of plugins are everybody's: of two with one name, the plugin loaded last would win."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


def plugins_of(suite: Path) -> set[str]:
    """The plugins that the modules of a suite name in `pytest_plugins`."""
    named: set[str] = set()
    for path in suite.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytest_plugins":
                named |= set(ast.literal_eval(node.value))
    return named


def fixtures_of(plugin: str) -> list[str]:
    path = TESTS.parent / f"{plugin.replace('.', '/')}.py"
    return [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("pytest.fixture" in ast.unparse(one) for one in node.decorator_list)
    ]


@pytest.mark.parametrize("suite", ["integration", "fault", "e2e"])
def test_no_two_plugins_of_a_suite_have_a_fixture_of_the_same_name(suite: str) -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for plugin in plugins_of(TESTS / suite):
        for fixture in fixtures_of(plugin):
            homes[fixture].append(plugin)
    assert homes, "no plugin was found"
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}
