"""Whatever the judge can say, the report says in both languages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from loadtest.rehearsal import advice, invariants, plan, targets, verdict
from loadtest.rehearsal.findings import Say, Verdict
from loadtest.rehearsal.plan import LANGUAGES
from loadtest.rehearsal.report import names, reasons, texts
from loadtest.rehearsal.report.words import SAID, ZH, full, number, process, said

ROOT = Path(__file__).parents[2] / "loadtest/rehearsal"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PARTS = (texts._PAGE, texts._VERDICT, texts._ENVIRONMENT, texts._SPIKE, texts._BOOKS, texts._REST)


def keys_in_the_code() -> Iterator[str]:
    """Every `Say("key", ...)` whose key stands there as it is."""
    for path in ROOT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Say"), args=[ast.Constant(value=str(key)), *_]):
                    yield key


def test_every_key_that_stands_in_the_code_has_both_texts() -> None:
    found = set(keys_in_the_code())
    assert {"limit.unreachable", "void.never_began", "advice.hold", "go_searched"} <= found
    assert found - SAID.keys() == set()


def test_every_key_that_the_code_puts_together_has_both_texts() -> None:
    made = {each.value for each in Verdict}
    made |= {f"broken.{check.__name__}" for check in invariants.CHECKS}
    made |= {f"drill.{kind}" for kind in plan.DRILLS}
    made |= {f"tight.{row}" for row in verdict._WITH_HEADROOM}
    made |= {f"limit.{limit}" for limit in verdict._TIGHT_LIMITS.values()}
    made |= {f"void.generator_{what}" for what in ("cpu", "lag", "late", "errors", "silent")}
    made |= {"advice.workers_more", "advice.workers_enough", "tight.process", "evidence.process"}
    made |= {"advice.chat_held", "advice.chat_less"}
    assert made - SAID.keys() == set()
    assert advice.ADMITTED_SHARE == 0.8


def test_every_name_that_a_reader_meets_is_in_both_languages() -> None:
    assert {check.__name__ for check in invariants.CHECKS} <= names.NAMES["invariant"].keys()
    assert set(plan.DRILLS) <= names.NAMES["drill"].keys()
    assert targets._FINDERS.keys() <= names.NAMES["promise"].keys()
    assert {each.value for each in Verdict} == names.NAMES["verdict"].keys()
    limits = {key.removeprefix("limit.") for key in SAID if key.startswith("limit.")}
    assert limits - {"unsettled"} <= names.NAMES["limit"].keys()


@pytest.mark.parametrize(
    "table", [SAID, texts.TEXTS, *names.NAMES.values()], ids=["said", "texts", *names.NAMES]
)
def test_both_texts_of_a_key_take_the_same_values(table: dict[str, tuple[str, str]]) -> None:
    for key, pair in table.items():
        fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in pair]
        assert fields[0] == fields[1], key
        assert all(pair), key


def test_each_language_is_its_own() -> None:
    for key, (chinese, english) in {**SAID, **texts.TEXTS}.items():
        assert not CHINESE.search(english) or key.startswith("switch"), key
        assert chinese != english or not re.search("[a-z]{3}", re.sub("{.*?}", "", chinese)), key


def test_no_key_is_told_twice() -> None:
    assert sum(len(part) for part in PARTS) == len(texts.TEXTS)
    said_parts = (
        *(reasons.SENTENCES, reasons.BROKEN, reasons.LIMITS, reasons.TIGHT),
        *(reasons.VOID, reasons.ADVICE, names.NAMES["drill"], names.NAMES["promise"]),
    )
    assert sum(len(part) for part in said_parts) == len(SAID)


def test_a_sentence_holds_a_sentence_and_ends_as_its_language_does() -> None:
    why = Say("limit.order_latency", {"promised": 1_000, "proved": 2310.44})
    verdict_ = Say("no_go", {"why": why})
    assert said(verdict_, "en") == (
        "NO-GO: orders were answered too slowly: p99 2,310 ms, promised 1,000 ms"
    )
    assert full(verdict_, "en").endswith("ms.")
    assert full(verdict_, ZH).endswith("ms。")
    assert full(why, "en").startswith("Orders were")


def test_names_inside_a_sentence_are_translated_too() -> None:
    busy = Say("tight.process", {"process": "rehearsal ledger worker 2", "percent": 97})
    assert said(busy, ZH).startswith("账本进程 2（彩排）")
    late = Say("limit.recovery", {"promised": 15, "proved": -1, "drill": "kill_worker"})
    assert "强杀一个网页进程" in said(late, ZH)
    assert "a web worker is killed" in said(late, "en")
    assert process("locust-1", ZH) == "locust-1"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_that_is_missing_never_costs_the_report(language: str) -> None:
    assert said(Say("limit.order_latency"), language).count("–") == 2
    assert said(Say("of.tomorrow", {"count": 3}), language) == "of.tomorrow: count 3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (0.041, "0.04"),
        (2.5, "2.5"),
        (12.34, "12.3"),
        (100.6, "101"),
        (12_345, "12,345"),
        (-0.001, "0"),
        (None, "–"),
    ],
)
def test_numbers_have_the_digits_that_somebody_reads(value: float | None, text: str) -> None:
    assert number(value) == text
