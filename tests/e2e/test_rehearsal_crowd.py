"""The crowd of a rehearsal on Locust, against the real server: its histories beside the books.

Locust patches the standard library for gevent; so it runs in processes of its own.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from loadtest.rehearsal import schedule
from loadtest.rehearsal.evidence import Evidence, read
from loadtest.rehearsal.http import Api, ApiError
from loadtest.rehearsal.outcomes import DECISIONS
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Buyers, Item, Phases, Plan, Promise
from loadtest.rehearsal.records import OK, Attempt, Brief, Second, append_line, write_json
from tests.e2e.conftest import StartServer
from tests.support.live_server import LiveServer
from tests.support.processes import Program
from tests.support.wait import wait_until_sync

LOCUSTFILE = "loadtest/rehearsal/locustfile.py"
STARTS_WITHIN_S = 90
OPENS_AFTER_S = 6  # the sale, once Locust is ready: the phases before T0 take 5 s
ENDS_WITHIN_S = 120


def plan_of(run: str) -> Plan:
    """Ten seconds of spike; every kind of buyer and everybody else."""
    return Plan(
        title="A test's big day",
        items=(Item(f"{run}-mug", "Mug", 30, 8_900), Item(f"{run}-tea", "Tea", 12, 9_900)),
        seed=11,
        promise=Promise(arrive_s=3, rush_s=1.5, shares_per_s=0.5, pins_per_minute=30),
        buyers=Buyers(on_time=40, early=15, impatient=25, abandoning=10, late=10, bots=3),
        phases=Phases(warm_s=2, spike_s=10, settle_s=3, hold_s=5),
    )


class Rehearsal:
    """One run: its directory, its sale in the shop, and the processes that play it."""

    def __init__(self, server: LiveServer, directory: Path, webhook_secret: str = "") -> None:
        self.server = server
        self.directory = directory
        self.webhook_secret = webhook_secret
        self.id = f"run-{uuid4().hex[:8]}"
        self.sale = f"{self.id}-sale"
        self.plan = plan_of(self.id)
        self._programs: list[Program] = []

    def prepare(self) -> None:
        """What the director does: a room, a sale, and the three files, without T0 as yet."""
        call = self.server.call
        products = [item.sku for item in self.plan.items]
        for item in self.plan.items:
            terms = {"id": item.sku, "title": item.title, "price_minor": item.price_minor}
            call("POST", "/api/v1/products", terms | {"currency": "CNY"})
        call("POST", "/api/v1/rooms", {"id": self.id, "title": self.plan.title})
        call("PATCH", f"/api/v1/rooms/{self.id}", {"state": "live"})
        call("PUT", f"/api/v1/rooms/{self.id}/shelf", {"products": products})
        items = [
            {"sku": item.sku, "stock": item.stock, "price_minor": item.price_minor}
            for item in self.plan.items
        ]
        terms = {"id": self.sale, "room": self.id, "hold_seconds": self.plan.phases.hold_s}
        call("POST", "/api/v1/sales", terms | {"items": items})
        self.brief = Brief(
            run=self.id,
            base_url=self.server.base_url,
            websocket_url=self.server.ws_url,
            key=self.server.settings["ONAIR_API_KEY"],
            room=self.id,
            sale=self.sale,
            skus=tuple(products),
            t0_ms=0,
            products=tuple(products),
            webhook_secret=self.webhook_secret,
        )
        write_json(self.directory / "plan.json", self.plan.to_json())
        write_json(self.directory / "brief.json", asdict(self.brief))
        write_json(self.directory / "tokens.json", list(self._tokens()))

    def open_soon(self) -> None:
        """Wait until Locust is ready, and say when the sale opens."""
        started = self.directory / "started.json"
        wait_until_sync(
            lambda: started.exists() or any(each.process.poll() for each in self._programs),
            STARTS_WITHIN_S,
            "Locust is ready",
        )
        t0_ms = round((time.time() + OPENS_AFTER_S) * 1000)
        armed = {"on_sale": schedule.on_sale(self.plan), "starts_at_ms": t0_ms}
        self.server.call("POST", f"/api/v1/sales/{self.sale}/arm", armed)
        write_json(self.directory / "brief.json", asdict(replace(self.brief, t0_ms=t0_ms)))

    def _tokens(self) -> Iterator[tuple[str, str]]:
        cast = People.of(self.plan)
        hosts = cast.places("hosts")
        for number in range(cast.places("audience").start):
            user, role = f"{self.id}-u{number}", "host" if number in hosts else "viewer"
            yield user, self.server.token(user, role=role)

    def locust(self, *arguments: str, knows_directory: bool = True) -> Program:
        """Start a Locust process."""
        directory = self.directory / f"process-{len(self._programs) + 1}"
        directory.mkdir()
        settings = {"ONAIR_REHEARSAL_DIR": str(self.directory)} if knows_directory else {}
        program = Program(
            "locust", "-f", LOCUSTFILE, *arguments, directory=directory,
            PYTHONWARNINGS="default", **settings,
        )  # fmt: skip
        self._programs.append(program)
        return program

    def look_at_books(self) -> None:
        """What the director leaves at the end: the ledger's orders and the books, once still."""
        books: dict[str, Any] = {}

        def are_still() -> bool:
            books.update(self.server.call("GET", f"/api/v1/sales/{self.sale}/books"))
            return books["lag"] == 0 and books["agree"] is not None

        wait_until_sync(are_still, 30, "the ledger has everything")
        write_json(self.directory / "books.json", books)
        api = Api(self.server.base_url, self.server.settings["ONAIR_API_KEY"])
        listed = api.text(f"/api/v1/sales/{self.sale}/orders.csv")
        (self.directory / "ledger-orders.csv").write_text(listed, encoding="utf-8")

    def end(self) -> None:
        for program in self._programs:
            program.end()


@pytest.fixture
def rehearsal(live_server: LiveServer, tmp_path: Path) -> Iterator[Rehearsal]:
    found = Rehearsal(live_server, tmp_path)
    yield found
    found.end()


@pytest.mark.parametrize("workers", [0, 2])
def test_what_the_crowd_saw_is_what_the_books_say_and_everybody_came_at_his_instant(
    rehearsal: Rehearsal, unused_tcp_port: int, workers: int
) -> None:
    rehearsal.prepare()
    if workers:
        port = str(unused_tcp_port)
        master = ("--headless", "--master", "--master-bind-host", "127.0.0.1")
        programs = [
            rehearsal.locust(*master, "--master-bind-port", port, "--expect-workers", "2"),
            rehearsal.locust("--worker", "--master-port", port, knows_directory=False),
            rehearsal.locust("--worker", "--master-port", port, knows_directory=False),
        ]
    else:
        programs = [rehearsal.locust("--headless")]
    rehearsal.open_soon()
    for program in programs:
        assert program.wait(ENDS_WITHIN_S) == 0, program.errors
    rehearsal.look_at_books()

    evidence = read(rehearsal.directory)
    check_everybody_played(rehearsal.plan, evidence, max(1, workers))
    check_instants(rehearsal.plan, evidence)
    check_same_request_same_answer(evidence.attempts)
    check_books(rehearsal.plan, evidence)


def test_who_is_cut_off_in_the_rush_comes_back_and_asks_until_the_answer_is_known(
    start_server: StartServer, tmp_path: Path
) -> None:
    secret = "a secret of the payment provider, 0123456789"
    server = start_server(
        command="serve",
        ONAIR_WORKERS="2",
        ONAIR_PAYMENT_PROVIDER="webhook",
        ONAIR_PAYMENT_SECRET=secret,
    )
    rehearsal = Rehearsal(server, tmp_path, secret)
    rehearsal.prepare()
    program = rehearsal.locust("--headless")
    try:
        rehearsal.open_soon()
        history = tmp_path / "orders-locust-1.jsonl"
        wait_until_sync(
            lambda: history.exists() and "sold_out" in history.read_text(), 60, "the rush is on"
        )
        server.kill_worker(server.worker_pids()[0])
        assert program.wait(ENDS_WITHIN_S) == 0, program.errors
    finally:
        rehearsal.end()
    rehearsal.look_at_books()

    evidence = read(tmp_path)
    names = Counter((each.name, each.outcome) for each in evidence.samples["locust-1"])
    assert names["reconnect", OK] > 0
    assert names["payments.webhook", OK] > 0
    last = {
        (each.user, each.request_id): each for each in evidence.attempts if each.op == "place"
    }  # fmt: skip
    assert all(each.outcome in DECISIONS or each.kind == "bots" for each in last.values())
    check_same_request_same_answer([each for each in evidence.attempts if each.done_us])
    check_books(rehearsal.plan, evidence)


def test_locusts_own_page_has_a_tab_of_the_books_and_what_was_measured_outlives_an_early_end(
    rehearsal: Rehearsal, unused_tcp_port: int
) -> None:
    rehearsal.prepare()
    item = {"sku": "mug", "initial": 30, "available": 0, "reserved": 2, "sold": 29}
    books = {"redis": {"items": [item]}, "ledger": {"items": [item | {"sold": 28}]}}
    look = Second(1, "spike", 7, {"reserved": 31}, books, lag_entries=3, lag_ms=40)
    append_line(rehearsal.directory / "timeline.jsonl", look)
    port = str(unused_tcp_port)
    program = rehearsal.locust("--web-host", "127.0.0.1", "--web-port", port)
    page = Api(f"http://127.0.0.1:{port}")
    wait_until_sync(lambda: answers(page), STARTS_WITHIN_S, "Locust's page is up")
    assert "Stock and books" in page.text("/")
    tables = page.call("GET", "/stats/requests")["extended_stats"]
    shown = {table["key"]: table["data"] for table in tables}
    assert "rehearsal-audience" in shown
    mug, whole = shown["rehearsal-books"]
    assert (mug["sku"], mug["sold"], mug["oversold"], mug["ledger_sold"]) == ("mug", 29, 1, 28)
    assert (whole["acknowledged"], whole["lag"]) == (31, "3 entries, 40 ms")

    form = "application/x-www-form-urlencoded"
    page.send("POST", "/swarm", b"user_count=1&spawn_rate=1", form)
    rehearsal.open_soon()
    samples = rehearsal.directory / "samples-locust-1.csv"
    wait_until_sync(samples.exists, 60, "somebody has connected")
    program.process.terminate()
    assert program.wait(30) == 0, program.errors
    evidence = read(rehearsal.directory)
    assert {each.name for each in evidence.samples["locust-1"]} >= {"connect"}
    assert evidence.pulses["locust-1"][-1].at_us >= evidence.samples["locust-1"][-1].intended_us


def answers(page: Api) -> bool:
    try:
        page.text("/stats/requests")
    except ApiError:
        return False
    return True


def test_a_run_without_a_token_for_everybody_is_not_played(rehearsal: Rehearsal) -> None:
    rehearsal.prepare()
    write_json(rehearsal.directory / "tokens.json", [["u", "t"]])
    brief = replace(rehearsal.brief, t0_ms=round(time.time() * 1000) + 3_600_000)
    write_json(rehearsal.directory / "brief.json", asdict(brief))
    program = rehearsal.locust("--headless")
    assert program.wait(STARTS_WITHIN_S) == 3
    assert "tokens.json has 1 of" in program.errors


def check_everybody_played(plan: Plan, evidence: Evidence, processes: int) -> None:
    names = {f"locust-{number + 1}" for number in range(processes)}
    assert set(evidence.pulses) == set(evidence.samples) == names
    assert sum(each.errors for pulses in evidence.pulses.values() for each in pulses) == 0
    most = sum(max(each.sockets for each in pulses) for pulses in evidence.pulses.values())
    assert most >= len(schedule.people(plan))
    done = defaultdict(set)
    for samples in evidence.samples.values():
        for sample in samples:
            done[sample.kind, sample.name].add(sample.outcome)
    for name in ("comment.send", "like.add", "share.create", "product.pin", "sale.restock"):
        assert done["rpc", name] == {OK}, name
    assert done["rpc", "visit.track"] == done["http", "share.page"] == {OK}
    assert done["push", "comment"] == done["push", "sale.sold_out"] == {OK}
    assert {each.kind for each in evidence.attempts} == {
        "on_time", "early", "impatient", "abandoning", "late", "bots",
    }  # fmt: skip


def check_instants(plan: Plan, evidence: Evidence) -> None:
    """What is timed is timed from the instants of the schedule, whoever played it."""
    first: dict[str, int] = {}
    for attempt in evidence.attempts:
        if attempt.op == "place" and attempt.request_id.endswith("-1"):
            first[attempt.user] = min(attempt.intended_us, first.get(attempt.user, 2**63))
    planned = {
        f"{evidence.brief.room}-u{each.number}": evidence.t0_us + each.buying.presses_ms[0] * 1000
        for each in schedule.people(plan)
        if evidence.brief is not None and each.buying is not None
    }
    assert first == planned
    said = sorted(
        sample.intended_us - evidence.t0_us
        for samples in evidence.samples.values()
        for sample in samples
        if sample.name == "comment.send"
    )
    acts = [act for each in schedule.people(plan) for act in each.acts if act.what == "comment"]
    assert said == sorted(act.at_ms * 1000 for act in acts)
    assert all(each.sent_us >= each.intended_us for each in evidence.attempts)


def check_same_request_same_answer(attempts: Sequence[Attempt]) -> None:
    answers = defaultdict(list)
    for attempt in attempts:
        if attempt.op == "place":
            assert attempt.outcome in DECISIONS or attempt.kind == "bots", attempt
            answers[attempt.user, attempt.request_id].append(attempt)
    assert any(len(told) > 1 for told in answers.values())
    for told in answers.values():
        assert len({each.answer_digest for each in told}) == 1, told
        assert all(each.answer_digest and each.done_us for each in told), told


def check_books(plan: Plan, evidence: Evidence) -> None:
    assert evidence.orders is not None
    assert evidence.books is not None
    assert evidence.books["agree"] is True
    listed = {order.id: order for order in evidence.orders}
    told = {each.order: each for each in evidence.attempts if each.outcome == "reserved"}
    assert set(listed) == set(told)
    for id_, attempt in told.items():
        order = listed[id_]
        assert (order.user, order.request_id, order.sku) == (
            attempt.user,
            attempt.request_id,
            attempt.sku,
        )
    paid = {each.order for each in evidence.attempts if each.op == "pay" and each.outcome == OK}
    assert {order.id for order in evidence.orders if order.state == "paid"} == paid
    for item, counted in zip(plan.items, evidence.books["ledger"]["items"], strict=True):
        assert counted["initial"] == item.stock
        assert counted["sold"] == sum(listed[order].sku == item.sku for order in paid)
        assert counted["available"] + counted["reserved"] + counted["sold"] == item.stock
    assert any(each.outcome == "sold_out" for each in evidence.attempts)
