"""Directories of rehearsals that never were: what a run leaves, made up to the microsecond.

`healthy_run()` is one in which everything is right: a lamp of which 20 are sold to 60 people.
A test changes what it is about and calls `write`; the files are those of
`loadtest.rehearsal.records`. No clock, no chance: the same calls make the same bytes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal.plan import Item, Phases, Plan, Promise, Targets
from loadtest.rehearsal.records import (
    OK,
    Attempt,
    Brief,
    DrillReport,
    Process,
    Pulse,
    Referee,
    Sample,
    Second,
    Step,
    append_line,
    write_json,
    write_samples,
)
from server.csv_rows import BYTE_ORDER_MARK, ORDER_COLUMNS

T0_MS: Final = 1_800_000_000_000
T0_US: Final = T0_MS * 1_000
SKU: Final = "lamp"
SALE: Final = "sale-1"
PRICE_MINOR: Final = 9_900
STOCK: Final = 20
BUYERS: Final = 60
HOLD_MS: Final = 10_000
ANSWER_US: Final = 30_000  # how long every request takes
WARM_S: Final = 15
SPIKE_S: Final = 20
SETTLE_S: Final = 20


def small_plan(**changes: Any) -> Plan:
    """20 lamps for 60 people among 200 viewers."""
    made = Plan(
        title="The lamps at eight",
        items=(Item(SKU, "A lamp", STOCK, PRICE_MINOR),),
        promise=Promise(viewers=200, rush_s=3.0, buyers_per_unit=BUYERS / STOCK),
        targets=Targets(),
        phases=Phases(warm_s=WARM_S, spike_s=SPIKE_S, settle_s=SETTLE_S, hold_s=HOLD_MS // 1_000),
    )
    return replace(made, **changes)


def user_of(number: int) -> str:
    return f"rh-u{number:06d}"


def request_of(number: int) -> str:
    return f"q-{number:06d}"


def order_of(number: int) -> str:
    return f"{SALE}.{number:024x}"


def instant(at_ms: int) -> str:
    """As the API's files write it."""
    moment = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"


def place(number: int, at_us: int, outcome: str, **changes: Any) -> Attempt:
    """Buyer `number` presses the button at `at_us` after T0 and is answered 30 ms later."""
    intended = T0_US + at_us
    made = Attempt(
        op="place",
        user=user_of(number),
        sku=SKU,
        request_id=request_of(number),
        intended_us=intended,
        sent_us=intended + 200,
        done_us=intended + ANSWER_US,
        outcome=outcome,
        order=order_of(number) if outcome == "reserved" else "",
        amount_minor=PRICE_MINOR if outcome == "reserved" else 0,
        kind="on_time",
        answer_digest=f"digest-{number}-{outcome}",
    )
    return replace(made, **changes)


def pay(number: int, at_us: int, outcome: str = OK, **changes: Any) -> Attempt:
    """Buyer `number` pays the lamp at `at_us` after T0."""
    made = place(number, at_us, outcome, op="pay", order=order_of(number))
    return replace(made, **{"amount_minor": PRICE_MINOR, "answer_digest": "", **changes})


def ledger_row(number: int, at_ms: int, state: str = "paid", **changes: Any) -> dict[str, str]:
    """The order of buyer `number`, placed `at_ms` after T0, as `orders.csv` has it."""
    ended_ms = {"paid": 1_000, "expired": HOLD_MS + 3_000, "cancelled": 2_000}.get(state, 0)
    placed = T0_MS + at_ms
    row: dict[str, object] = {
        **dict.fromkeys(ORDER_COLUMNS, ""),
        "order": order_of(number),
        "line": 1,
        "sale": SALE,
        "room": "rh-room",
        "user": user_of(number),
        "state": state,
        "sku": SKU,
        "qty": 1,
        "price_minor": PRICE_MINOR,
        "line_amount_minor": PRICE_MINOR,
        "order_amount_minor": PRICE_MINOR,
        "currency": "CNY",
        "payment": f"demo:{order_of(number)}" if state in ("paid", "refunded") else "",
        "request_id": request_of(number),
        "placed_at": instant(placed),
        "reserved_at": instant(placed),
        "expires_at": instant(placed + HOLD_MS),
        "paid_at": instant(placed + 1_000) if state in ("paid", "refunded") else "",
        "changed_at": instant(placed + ended_ms),
        "durability": "always",
        "markup_minor": 0,
        "discount_minor": 0,
        **changes,
    }
    return {name: str(value) for name, value in row.items()}


def counters(available: int, reserved: int, sold: int, initial: int = STOCK) -> dict[str, Any]:
    """The books of the lamp, as the API gives them."""
    return {
        "sku": SKU,
        "initial": initial,
        "available": available,
        "reserved": reserved,
        "sold": sold,
        "refunded": 0,
        "written_off": 0,
        "allocated": 0,
        "waiting": 0,
        "balanced": available + reserved + sold == initial,
    }


def books_answer(*items: dict[str, Any], at_ms: int, agree: bool | None = True) -> dict[str, Any]:
    """What `GET /sales/{id}/books` answers when Redis and the ledger say the same."""
    return {
        "sale": SALE,
        "at_ms": at_ms,
        "redis": {"at_ms": at_ms, "state": "open", "items": list(items)},
        "ledger": {"items": [dict(item) for item in items]},
        "lag": 0,
        "agree": agree,
        "why": "",
    }


@dataclass
class Run:
    """All that lies in the directory of a run. Lists and dicts are the test's to change.

    A field that is None is a file that is not there.
    """

    plan: Plan | None
    brief: Brief | None
    attempts: list[Attempt] | None
    samples: dict[str, list[Sample]]
    pulses: dict[str, list[Pulse]]
    testimonies: dict[str, dict[str, Any]]
    timeline: list[Second] | None
    orders: list[dict[str, str]] | None
    books: dict[str, Any] | None
    environment: dict[str, Any] | None
    drills: list[DrillReport] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    referee: Referee | None = None

    def write(self, directory: Path) -> Path:
        """Leave the files in `directory`, which may not hold a run yet."""
        directory.mkdir(parents=True, exist_ok=True)
        wholes = {
            "plan.json": None if self.plan is None else self.plan.to_json(),
            "brief.json": None if self.brief is None else asdict(self.brief),
            "books.json": self.books,
            "environment.json": self.environment,
            "referee.json": None if self.referee is None else asdict(self.referee),
            **{f"witness-{who}.json": value for who, value in self.testimonies.items()},
        }
        for name, value in wholes.items():
            if value is not None:
                write_json(directory / name, value)
        for who, samples in self.samples.items():
            write_samples(directory / f"samples-{who}.csv", samples)
        for who, pulses in self.pulses.items():
            _lines(directory / f"health-{who}.jsonl", pulses)
        _lines(directory / "orders-locust-1.jsonl", self.attempts)
        _lines(directory / "timeline.jsonl", self.timeline)
        _lines(directory / "drills.jsonl", self.drills or None)
        _lines(directory / "steps.jsonl", self.steps or None)
        if self.orders is not None:
            _orders(directory / "ledger-orders.csv", self.orders)
        return directory


def healthy_run(plan: Plan | None = None) -> Run:
    """Everything right: buyers 1 to 20 get a lamp, of whom 19 and 20 let it go; 40 are too late."""
    attempts = [
        place(number, number * 20_000, "reserved" if number <= STOCK else "sold_out")
        for number in range(1, BUYERS + 1)
    ]
    letting_go = range(STOCK - 1, STOCK + 1)
    attempts = [
        replace(each, kind="abandoning") if place_number in letting_go else each
        for place_number, each in enumerate(attempts, 1)
    ]
    buying = range(1, STOCK - 1)
    attempts += [pay(number, number * 20_000 + 900_000) for number in buying]
    orders = [
        ledger_row(number, number * 20 + 10, "paid" if number in buying else "expired")
        for number in range(1, STOCK + 1)
    ]
    sold = len(buying)
    at_ms = T0_MS + (SPIKE_S + SETTLE_S) * 1_000
    return Run(
        plan=plan or small_plan(),
        brief=Brief(
            run="rh-0000abcd",
            base_url="http://127.0.0.1:8000/rehearsal",
            websocket_url="ws://127.0.0.1:8000/rehearsal/connection/websocket",
            key="a key",
            room="rh-room",
            sale=SALE,
            skus=(SKU,),
            t0_ms=T0_MS,
        ),
        attempts=attempts,
        samples={"locust-1": order_samples(attempts), "audience-1": audience_samples()},
        pulses={"locust-1": calm_pulses(), "audience-1": calm_pulses(sockets=140)},
        testimonies={"audience-1": clean_testimony()},
        timeline=timeline(sold),
        orders=orders,
        books=books_answer(counters(STOCK - sold, 0, sold), at_ms=at_ms),
        environment=environment(),
    )


def environment() -> dict[str, Any]:
    """As the director writes it, in short."""
    return {
        "run": "rh-0000abcd",
        "began_at_ms": T0_MS - 45_000,
        "ended_at_ms": T0_MS + 45_000,
        "t0_ms": T0_MS,
        "server": {"cpus": 2, "workers": 1},
        "generator": {"cores": 2},
        "clock": {"skew_ms": 0.0, "round_trip_ms": 1.0},
        "same_machine": True,
        "cut_short": "",
    }


def order_samples(attempts: Iterable[Attempt]) -> list[Sample]:
    """The same requests as their generator timed them."""
    return [
        Sample(
            kind="rpc",
            name=f"order.{each.op}",
            intended_us=each.intended_us,
            late_us=each.sent_us - each.intended_us,
            took_us=(each.done_us or each.intended_us + 5_000_000) - each.intended_us,
            outcome=each.outcome,
            user=each.user,
        )
        for each in attempts
    ]


def audience_samples() -> list[Sample]:
    """140 people come, and a witness sees ten events a second around T0."""
    come = [
        Sample("connect", "connect", T0_US - 30_000_000 + n * 50_000, 100, 20_000, OK, user_of(n))
        for n in range(61, 201)
    ]
    seen = [
        Sample("push", "comment", T0_US + n * 100_000, 0, 40_000, OK, user_of(200))
        for n in range(-100, 200)
    ]
    return come + seen


def calm_pulses(sockets: int = 60) -> list[Pulse]:
    """A generator that was never in a hurry, from before T0 to the end."""
    return [
        Pulse(T0_US + second * 1_000_000, 0.25, 3.0, sockets, 0)
        for second in range(-WARM_S, SPIKE_S + SETTLE_S)
    ]


def clean_testimony(events: int = 300) -> dict[str, Any]:
    """What witnesses say who missed nothing."""
    return {
        "witnesses": 20,
        "events": events,
        "missing": 0,
        "repeated": 0,
        "foreign": 0,
        "offset_gaps": 0,
        "orders": 1,
        "in_publish_order": True,
        "late_ms": {"count": events, "p50": 40.0, "p90": 40.0, "p99": 40.0, "most": 40.0},
    }


def timeline(sold: int, viewers: int = 200) -> list[Second]:
    """What the server said each second: calm, sold by degrees, books that always add up.

    It counts connections: those of the viewers, and those of the buyers.
    """
    seconds = []
    for second in range(-WARM_S, SPIKE_S + SETTLE_S + 1):
        reserved = STOCK if 0 < second < 2 else STOCK - sold if second < 13 and second > 0 else 0
        paid = sold if second >= 2 else 0
        phase = "warm" if second < 0 else "spike" if second < SPIKE_S else "settle"
        seconds.append(
            Second(
                at_us=T0_US + second * 1_000_000,
                phase=phase,
                viewers=viewers + BUYERS,
                outcomes={"reserved": STOCK, "sold_out": BUYERS - STOCK} if second > 1 else {},
                books={"items": [counters(STOCK - reserved - paid, reserved, paid)]},
                lag_entries=0,
                lag_ms=20,
                processes=(
                    Process("web worker 1", 0.4, 90_000_000),
                    Process("ledger worker 1", 0.01, 80_000_000),
                    Process("redis", 0.01, 20_000_000),
                    Process("ledger worker 1, rehearsal", 0.2, 80_000_000),
                    Process("redis, rehearsal", 0.1, 20_000_000),
                ),
            )
        )
    return seconds


def _lines(path: Path, records: Iterable[object] | None) -> None:
    for record in records or ():
        append_line(path, record)


def _orders(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("wb") as file:
        file.write(BYTE_ORDER_MARK)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ORDER_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read_findings(directory: Path) -> dict[str, Any]:
    """The JSON that a verdict left."""
    found: dict[str, Any] = json.loads((directory / "findings.json").read_text(encoding="utf-8"))
    return found
