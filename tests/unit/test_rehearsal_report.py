"""The report: all its sections in both languages, in one file that needs nothing else."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from loadtest.rehearsal.findings import Findings, Invariant, Promised, Say, Spike, Verdict
from loadtest.rehearsal.judging import judge
from loadtest.rehearsal.plan import LANGUAGES, Plan
from loadtest.rehearsal.records import DrillReport, Process
from loadtest.rehearsal.report import build, sentence
from loadtest.rehearsal.report.course import toml_of
from server.settings import Limits
from tests.support import rehearsal_reports as reports
from tests.support import rehearsal_runs as runs
from tests.support.html_page import Element, Page

SECTIONS = (
    *("verdict", "promised", "environment", "generators", "capacity", "spike", "latency"),
    *("books", "delivery", "fairness", "drills", "timeline", "advice", "comparison", "repeat"),
)
HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00"
KINDS = {"go": reports.go, "no_go": reports.no_go, "void": reports.void}


def nothing() -> Findings:
    """A run of which no file was there."""
    say = Say("void.file_missing", {"file": "plan.json"})
    found = Say("void", {"why": say})
    return Findings("rh-0", "rh-0", 0, "zh-CN", 0, 0, Verdict.VOID, found, (say,))


def page_of(findings: Findings, previous: dict[str, Any] | None = None) -> Page:
    return Page(build(findings, previous))


@functools.cache
def page_of_kind(name: str) -> Page:
    return page_of(KINDS[name]())


def in_language(page: Page, language: str) -> Element:
    return next(
        one
        for one in page.all("div")
        if one.attributes.get("lang") == language and "data-page" in one.attributes
    )


def section(page: Page, language: str, name: str) -> Element:
    wanted = f"{language}-{name}"
    return next(one for one in page.all("section") if one.attributes["aria-labelledby"] == wanted)


@pytest.fixture(scope="module", params=["go", "nothing", "healthy run"])
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report with everything in it, with nothing, and from the files of a run."""
    if request.param == "healthy run":
        directory = runs.healthy_run().write(tmp_path_factory.mktemp("run") / "run")
        return build(judge(directory), None)
    return build(nothing() if request.param == "nothing" else reports.go(), reports.go().to_json())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_is_there_in_both_languages(text: str, language: str) -> None:
    page = Page(text)
    found = [
        one.attributes["aria-labelledby"] for one in in_language(page, language).all("section")
    ]
    assert found == [f"{language}-{name}" for name in SECTIONS]
    for one in in_language(page, language).all("section"):
        assert len(one.text.strip()) > 10, one.attributes


def test_the_page_is_valid_and_its_names_lead_somewhere(text: str) -> None:
    page = Page(text)
    assert page.doctype == "doctype html"
    ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.all():
        for name in ("aria-labelledby", "aria-describedby"):
            if name in one.attributes:
                assert one.attributes[name] in ids
        if one.tag == "a":
            assert str(one.attributes["href"]).removeprefix("#") in ids
        if one.tag == "th":
            assert one.attributes["scope"] in ("col", "row")
        if one.tag == "svg" and "aria-hidden" not in one.attributes:
            assert one.attributes["role"] == "img"
            assert "aria-labelledby" in one.attributes


def test_nothing_is_fetched_and_only_its_own_lines_run(text: str) -> None:
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", text)
    page = Page(text)
    loading = [
        one for one in page.all() if {"src", "srcset", "data", "action"} & one.attributes.keys()
    ]
    assert loading == []
    assert [one.attributes["href"] for one in page.all("link")] == ["data:,"]
    assert not [one for one in page.all() if any(name.startswith("on") for name in one.attributes)]
    assert not [one for one in page.all() if "style" in one.attributes]
    policy = next(
        str(one.attributes["content"])
        for one in page.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_one_language_is_shown_and_has_one_heading_of_each_level() -> None:
    for language in LANGUAGES:
        page = page_of(replace(reports.go(), language=language))
        hidden = {
            one.attributes["lang"]: "hidden" in one.attributes
            for one in page.all("div")
            if "data-page" in one.attributes
        }
        assert hidden == {each: each != language for each in LANGUAGES}
        assert page.all("html")[0].attributes["lang"] == language
        for each in LANGUAGES:
            assert len(in_language(page, each).all("h1")) == 1
            assert len(in_language(page, each).all("main")) == 1


@pytest.mark.parametrize("name", KINDS)
def test_the_sentence_is_large_and_the_reasons_stand_below(name: str) -> None:
    found = KINDS[name]()
    page = page_of_kind(name)
    for language in LANGUAGES:
        verdict = section(page, language, "verdict")
        assert sentence(found, language) in verdict.text
        assert len(verdict.all("li")) == len(found.reasons)
    assert page.all("body")[0].attributes["class"] == f"is-{name}"


def test_a_void_run_says_so_before_any_figure() -> None:
    page = page_of_kind("void")
    for language, words in zip(LANGUAGES, ("不能说明", "Nothing below says"), strict=True):
        loud = [
            one
            for one in in_language(page, language).all("p")
            if "loud" in str(one.attributes.get("class"))
        ]
        assert len(loud) == 2
        assert all(words in one.text for one in loud)
        assert "locust-1" in section(page, language, "generators").text


def test_a_broken_invariant_is_named_with_its_example_and_the_seed() -> None:
    page = page_of_kind("no_go")
    for language in LANGUAGES:
        books = section(page, language, "books").text
        assert "never_oversold" in books
        assert "mug: +1 / 150" in books
        assert re.search(r"\b20\b", books)
        assert "101 sold, ledger 102" in books


def test_titles_are_text_wherever_they_stand() -> None:
    items = (replace(reports.plan().items[0], title=HOSTILE), reports.plan().items[1])
    plan = reports.plan(title=HOSTILE, items=items)
    broken = Invariant("never_oversold", False, 1, 1, (HOSTILE,))
    found = replace(
        reports.no_go(),
        title=HOSTILE,
        run=HOSTILE,
        plan=plan.to_json(),
        invariants=(broken,),
        errors={HOSTILE: 1},
        environment={"server": {HOSTILE: HOSTILE, "limits": {HOSTILE: HOSTILE}}},
        drills=(DrillReport("kill_worker", 1, 2, 3, 0, note=HOSTILE),),
        promised=(Promised(HOSTILE, 1, 1, HOSTILE, True),),
        reasons=(Say("void.file_torn", {"file": HOSTILE, "why": HOSTILE}),),
    )
    page = page_of(found, found.to_json() | {"run": HOSTILE, "verdict": HOSTILE})
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert len(page.all("title")) == 1
    assert page.all("h1")[0].text == HOSTILE.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def test_half_a_character_never_costs_the_report() -> None:
    text = build(replace(reports.go(), title="half \ud83d of one"), None)
    assert "half ? of one" in text
    assert text.encode("utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_has_its_figures_in_a_table(language: str) -> None:
    page = page_of_kind("go")
    pictures = in_language(page, language).all("figure")
    assert len(pictures) == 9
    for picture in pictures:
        has_own = bool(picture.all("table"))
        assert has_own or section(page, language, "capacity").all("table")
        assert len(picture.all("svg")) == 1


def test_the_rush_is_drawn_second_by_second_with_what_happened_in_each() -> None:
    page = page_of_kind("go")
    picture = next(one for one in page.all("figure") if one.attributes["id"] == "en-spike-outcomes")
    heads = [one.text for one in picture.all("thead")[0].all("th")]
    assert heads == ["Second", "reserved", "sold out", "limit reached", "not started"]
    rows = [[cell.text for cell in row.all()] for row in picture.all("tbody")[0].all("tr")]
    assert rows[2] == ["0", "200", "64", "3", "0"]
    assert len(rows) == 14
    assert "first 0.04 s" in picture.text
    assert "sold out 0.74 s" in picture.text


def test_units_that_are_reserved_again_are_explained() -> None:
    spike = reports.go().spike
    again = replace(spike, outcomes={**spike.outcomes, "reserved": 229})
    words = "reserved anew"
    assert words in section(page_of(replace(reports.go(), spike=again)), "en", "spike").text
    assert words not in section(page_of_kind("go"), "en", "spike").text


def test_a_long_run_is_cut_in_the_picture_and_told() -> None:
    one = reports.go().spike.seconds[-1]
    seconds = tuple(replace(one, second=number) for number in range(-100, 300))
    page = page_of(replace(reports.go(), spike=Spike(seconds=seconds)))
    spike = section(page, "en", "spike")
    assert "Shown from second -5 to 54" in spike.text
    assert len(spike.all("rect")) <= 60 * 3


def test_hours_of_a_timeline_are_thinned() -> None:
    look = reports.go().timeline[-1]
    looks = tuple(replace(look, at_us=look.at_us + n * 1_000_000) for n in range(1_000))
    text = build(replace(reports.go(), timeline=looks), None)
    assert "one row for each 5 s" in text
    assert len(text) < 500_000


def test_the_largest_machine_and_a_long_run_fit_what_a_server_keeps() -> None:
    processes = tuple(Process(f"web worker {number}", 0.5, 1) for number in range(64))
    look = replace(reports.go().timeline[-1], processes=processes)
    looks = tuple(replace(look, at_us=look.at_us + n * 1_000_000) for n in range(1_000))
    text = build(replace(reports.go(), timeline=looks), None)
    assert len(text.encode()) < Limits().rehearsal_report_bytes_max / 2


def test_each_drill_says_when_it_recovered_and_how_the_books_stood() -> None:
    drills = section(page_of_kind("go"), "en", "drills")
    rows = [[cell.text for cell in row.children] for row in drills.all("tbody")[0].all("tr")]
    assert "2.4 s" in rows[0][2]
    assert "add up: mug: 0 + 60 + 140 / 200" in rows[0][4]
    assert "the ledger had caught up" in rows[1][4]
    assert "not done: no proxy between" in rows[2][2]


def test_the_plan_of_the_report_is_the_plan_that_was_rehearsed() -> None:
    plan = reports.plan(title=HOSTILE.replace("\x00", "\x7f"))
    assert Plan.from_json(tomllib.loads(toml_of(plan.to_json()))) == plan
    read_back = json.loads(json.dumps(plan.to_json()))
    assert Plan.from_json(tomllib.loads(toml_of(read_back))) == plan
    page = page_of_kind("go")
    code = section(page, "en", "repeat").all("pre")
    assert code[0].text == "onair rehearse --plan plan.toml --seed 20 --find"
    assert Plan.from_json(tomllib.loads(code[1].text)) == reports.plan()


def test_a_report_says_what_was_not_done() -> None:
    page = page_of(nothing())
    for name, words in (
        ("capacity", "No search was made"),
        ("spike", "Nobody pressed"),
        ("books", "could not be read"),
        ("drills", "no drills"),
        ("timeline", "never answered"),
        ("comparison", "no earlier rehearsal"),
    ):
        assert words in section(page, "en", name).text
