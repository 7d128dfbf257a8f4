"""The report of a rehearsal in a real browser, opened from a disk: it needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.judging import judge
from loadtest.rehearsal.report import build, sentence
from server.api.rehearsal_reports import REPORT_POLICY
from tests.e2e.browser_checks import check_usable
from tests.e2e.browser_support import DESK, PHONE, Person
from tests.support import rehearsal_reports as reports
from tests.support import rehearsal_runs as runs
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.needs_chromium
pytest_plugins = ["tests.e2e.browser_fixtures"]

CHINESE, ENGLISH = "zh-CN", "en"
KINDS = {"go": reports.go, "no_go": reports.no_go, "void": reports.void}
HOSTILE = "</title><script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
# What lies outside the screen sideways, but for what scrolls by itself.
TOO_WIDE = """() => [...document.querySelectorAll('main *')]
  .filter((one) => one.checkVisibility() && !one.closest('.scroll, pre, svg, .only-read, thead'))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((one) => `${one.tagName} ${one.textContent.slice(0, 40)}`)"""
# Names of marks and levels that lie over each other in a picture.
COVERED = """() => [...document.querySelectorAll('svg')].filter((svg) => svg.checkVisibility())
  .flatMap((svg) => {
    const boxes = [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect());
    return boxes.flatMap((a, i) => boxes.slice(i + 1)
      .filter((b) => a.left < b.right - 2 && b.left < a.right - 2
        && a.top < b.bottom - 4 && b.top < a.bottom - 4)
      .map(() => svg.getAttribute('aria-labelledby')));
  })"""

Open = Callable[..., Person]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Write a report to a disk and open it there. It may ask for nothing but itself."""
    people: list[Person] = []
    path = tmp_path / "report.html"
    asked: list[str] = []

    def come(findings: Findings, **options: object) -> Person:
        path.write_text(build(findings, reports.go().to_json()), encoding="utf-8")
        person = Person(browser, **options)  # type: ignore[arg-type]
        people.append(person)
        person.page.on("request", lambda request: asked.append(request.url))
        person.page.goto(path.as_uri())
        return person

    yield come
    for person in people:
        person.leave()
    assert path.as_uri() in asked
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
def test_it_opens_from_a_disk_and_switches_its_language(
    opened: Open, screen: dict[str, int]
) -> None:
    found = reports.go()
    person = opened(found, screen=screen)
    page = person.page
    expect(page.locator("html")).to_have_attribute("lang", CHINESE)
    expect(page.get_by_text(sentence(found, CHINESE))).to_be_visible()
    expect(page.get_by_text(sentence(found, ENGLISH))).to_be_hidden()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", ENGLISH)
    expect(page.get_by_text(sentence(found, ENGLISH))).to_be_visible()
    expect(page.get_by_text(sentence(found, CHINESE))).to_be_hidden()
    expect(page).to_have_title(f"Rehearsal report: {reports.TITLE}")
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("button", name="中文")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", CHINESE)
    person.check_clean()


def test_the_language_is_switched_where_one_is_reading(opened: Open) -> None:
    person = opened(reports.go(), screen=DESK)
    person.page.evaluate("document.querySelector('#zh-CN-fairness').scrollIntoView()")
    top = "document.querySelector('#zh-CN-fairness').getBoundingClientRect().top"
    wait_until_sync(lambda: person.page.evaluate(top) <= 80, 20, "it has scrolled there")
    person.page.evaluate("document.querySelector('[data-to=en]').click()")
    expect(person.page.locator("#en-fairness")).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_can_be_read_by_everybody(
    opened: Open, kind: str, screen: dict[str, int], scheme: str
) -> None:
    person = opened(KINDS[kind](), screen=screen, color_scheme=scheme)
    for language in (CHINESE, ENGLISH):
        if language == ENGLISH:
            person.page.get_by_role("button", name="English").click()
        check_usable(person)
        assert person.page.evaluate(TOO_WIDE) == []
        assert person.page.evaluate(COVERED) == []
        wide = "desk" if screen is DESK else "phone"
        person.keep_picture(f"rehearsal-report-{kind}-{wide}-{scheme}-{language}")
    person.check_clean()


def test_pictures_have_names_and_their_figures_can_be_opened(opened: Open) -> None:
    page = opened(reports.go(), screen=DESK, language=ENGLISH).page
    page.get_by_role("button", name="English").click()
    picture = page.get_by_role("img", name="Outcomes per second")
    expect(picture).to_be_visible()
    figure = page.locator("#en-spike-outcomes")
    expect(figure.get_by_role("table")).to_have_count(0)
    figure.get_by_text("Show the figures").click()
    expect(figure.get_by_role("row", name="0 200 64 3 0")).to_be_visible()


def test_a_report_of_a_runs_own_files_opens(opened: Open, tmp_path: Path) -> None:
    found = judge(runs.healthy_run().write(tmp_path / "run"))
    person = opened(found, screen=PHONE)
    expect(person.page.get_by_text(sentence(found, CHINESE))).to_be_visible()
    check_usable(person)
    person.check_clean()


def test_it_works_under_the_policy_with_which_a_server_gives_it(browser: Browser) -> None:
    person = Person(browser, screen=DESK)
    person.page.route(
        "http://report.test/",
        lambda route: route.fulfill(
            body=build(reports.go(), None),
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": REPORT_POLICY},
        ),
    )
    person.page.goto("http://report.test/")
    person.page.get_by_role("button", name="English").click()
    expect(person.page.get_by_text(sentence(reports.go(), ENGLISH))).to_be_visible()
    person.page.get_by_role("link", name="Drills").click()
    expect(person.page.locator("#en-drills")).to_be_in_viewport()
    person.check_clean()
    person.leave()


def test_a_title_that_is_a_program_is_only_a_title(opened: Open) -> None:
    person = opened(replace(reports.go(), title=HOSTILE), screen=PHONE)
    expect(person.page.locator("h1:visible")).to_have_text(HOSTILE)
    expect(person.page).to_have_title(f"彩排报告：{HOSTILE}")
    assert person.page.evaluate(TOO_WIDE) == []
    person.check_clean()


def test_on_paper_there_is_one_language_and_nothing_to_press(opened: Open) -> None:
    person = opened(reports.go(), screen=DESK, color_scheme="dark")
    page = person.page
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_text("English", exact=True)).to_be_hidden()
    expect(page.locator("details").first).to_be_hidden()
    expect(page.locator(".sentence:visible")).to_have_count(1)
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
