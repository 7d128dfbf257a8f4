"""The files in the directory of a rehearsal: what its processes leave for each other.

| File | Written by | Holds |
|---|---|---|
| `plan.json` | director | the plan, `Plan.to_json()` |
| `brief.json` | director | `Brief`: where the shadow shop is, and its ids; secrets, mode 0600 |
| `tokens.json` | director | `[[user, token], ...]`: the first are buyers, the others viewers |
| `samples-WHO.csv` | every generator | `Sample` a row: each request and each watched push |
| `orders-WHO.jsonl` | buyers | `Attempt` a line: every purchase as its buyer saw it |
| `witness-WHO.json` | audience | who got in, why others did not, and `witnesses.summed` |
| `WHO.live.json` | audience | how it is now, and its last seconds; anew each second |
| `health-WHO.jsonl` | every generator | `Pulse` a line, each second: how the generator fares |
| `lost-WHO.json` | Locust's master | that worker WHO did not hand over all it recorded |
| `timeline.jsonl` | director | `Second` a line: what the server said of itself, once a second |
| `drills.jsonl` | director | `DrillReport` a line |
| `steps.jsonl` | finder | `Step` a line |
| `referee.json` | referee | `Referee`; its rounds with their raw samples in `referee/` |
| `ledger-orders.csv` | director | the shadow sale's orders, as the API's `orders.csv` |
| `books.json` | director | the last books of the shadow sale, as the API gives them |
| `environment.json` | director | server, generator, clock |
| `findings.json`, `report.html` | verdict, report | the end |

WHO is the name of a process, such as `locust-1` or `audience-1`. Instants are Unix microseconds
(`_us`) of the generator's clock, which `environment.json` compares with the server's.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

Record = TypeVar("Record")

OK = "ok"
UNKNOWN = "unknown"  # no answer: the purchase took effect once or not at all


@dataclass(frozen=True, slots=True)
class Brief:
    """What a generator must know of the shadow shop."""

    run: str
    base_url: str  # of the shadow shop, such as http://127.0.0.1:8000/rehearsal
    websocket_url: str
    key: str  # for the shadow shop's API
    room: str
    sale: str
    skus: tuple[str, ...]
    t0_ms: int  # when the sale opens, by the server's clock; 0 until it is known
    clock_skew_ms: float = 0.0  # the server's clock less the generator's
    products: tuple[str, ...] = ()
    webhook_secret: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing that took time. `took_us` runs from the intended instant to the end."""

    kind: str  # connect, rpc, push or http
    name: str  # order.place, comment.send, ... ; of a push the event's name
    intended_us: int
    late_us: int  # how much later than intended it was begun: the generator's own fault
    took_us: int
    outcome: str  # ok, an outcome of a purchase, `error 503`, or unknown
    user: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One purchase as its buyer saw it, in the manner of a Jepsen history.

    `op` is place, pay, cancel or get. An attempt that is told again with the same `request_id` is a
    line of its own.
    """

    op: str
    user: str
    sku: str
    request_id: str
    intended_us: int
    sent_us: int
    done_us: int  # 0: no answer
    outcome: str
    order: str = ""
    amount_minor: int = 0
    kind: str = ""  # of buyer: on_time, early, ...
    answer_digest: str = ""  # of the answer's bytes, to compare those of one request


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a generator felt in one second."""

    at_us: int
    cpu_share: float  # of one core
    lag_ms: float  # the latest its own timer ran
    sockets: int
    errors: int  # of the generator, not of the server
    late_starts: int = 0  # requests begun over 50 ms after their instant


@dataclass(frozen=True, slots=True)
class Process:
    name: str  # web worker 1, ledger worker 1, redis
    cpu_share: float  # of one core, over the last second
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Second:
    """What the server said of itself at one instant, and where the rehearsal stood."""

    at_us: int
    phase: str  # arrive, warm, spike, settle, done
    viewers: int  # that the server counts
    outcomes: dict[str, int] = field(default_factory=dict)  # purchases answered so far
    books: dict[str, Any] = field(default_factory=dict)
    lag_entries: int = 0
    lag_ms: int = 0
    processes: tuple[Process, ...] = ()
    unreachable: bool = False  # the server did not answer this time


@dataclass(frozen=True, slots=True)
class DrillReport:
    """What a drill did and how long it was felt. Seconds count from T0."""

    kind: str
    began_s: float
    ended_s: float
    recovered_after_s: float  # from its end until requests succeeded again; -1: never
    failed_requests: int
    note: str = ""
    refused: str = ""  # why it was not done; then the rest says nothing
    books_ok: bool = True  # afterwards nothing was missing, and the ledger did not disagree
    books_note: str = ""  # what was wrong with them, or why they could not be compared
    viewers_back_s: float = -1.0  # from its end until as many watched as before; -1: unknown
    counts: dict[str, int] = field(default_factory=dict)  # what was done and came of it, by word


@dataclass(frozen=True, slots=True)
class Step:
    """One height of the finder."""

    factor: float
    viewers: int
    orders_per_s: float  # asked for
    answered_per_s: float
    order_p50_ms: float
    order_p99_ms: float
    delivered_per_s: float
    delivery_p50_ms: float
    delivery_p99_ms: float
    lag_ms: int
    processes: tuple[Process, ...] = ()
    broken: tuple[str, ...] = ()  # targets that no longer hold, and why
    void: tuple[str, ...] = ()  # the generator's faults


@dataclass(frozen=True, slots=True)
class Referee:
    """The same load from Locust and from the uvloop driver, in turns."""

    orders_per_s: float
    rounds: int
    locust_p50_ms: float
    locust_p99_ms: float
    driver_p50_ms: float
    driver_p99_ms: float
    why: str = ""  # they differ by more than a fifth, when they do
    reason: str = ""  # the same in one word: unplayed, answers, unsteady or cost
    # what each generator itself spent on an order, and how late it began one (p99)
    locust_cpu_us: float = 0.0
    driver_cpu_us: float = 0.0
    locust_late_ms: float = 0.0
    driver_late_ms: float = 0.0


def write_json(path: Path, value: object) -> None:
    """Whole or not at all: another process may read it while it is written."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    beside.replace(path)


def append_line(path: Path, record: object) -> None:
    """One more line of a `.jsonl` file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")  # type: ignore[call-overload]


def append_lines(path: Path, records: Iterable[object]) -> None:
    """More lines of a `.jsonl` file, in one write."""
    lines = (json.dumps(asdict(each), ensure_ascii=False) for each in records)  # type: ignore[call-overload]
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def read_lines(directory: Path, pattern: str, kind: type[Record]) -> Iterator[Record]:
    """The records of all `.jsonl` files that match, file by file."""
    for path in sorted(directory.glob(pattern)):
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield record_of(kind, line)


def parsed(text: str) -> Any:
    """JSON as it is defined: what is no number is an error. Raises `ValueError`."""
    return json.loads(text, parse_constant=_not_a_number)


def _not_a_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def record_of(kind: type[Record], line: str) -> Record:
    """One line of a `.jsonl` file. Raises `ValueError` if it is not a whole record of its kind."""
    try:
        return kind(**_tuples(kind, parsed(line)))
    except TypeError as error:
        raise ValueError(str(error)) from None


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Append rows; a new file begins with the names."""
    names = [each.name for each in fields(Sample)]
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        if is_new:
            rows.writerow(names)
        rows.writerows([getattr(sample, name) for name in names] for sample in samples)


def read_samples(directory: Path) -> Iterator[Sample]:
    for path in sorted(directory.glob("samples-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield sample_of(row)


def sample_of(row: Mapping[str, Any]) -> Sample:
    """One row of a file of samples. Raises `ValueError` if it is not whole."""
    if None in row.values():
        raise ValueError("the row is cut off")
    try:
        numbers = {name: int(row[name]) for name in ("intended_us", "late_us", "took_us")}
        return Sample(**{**row, **numbers})
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def _tuples(kind: type, value: dict[str, Any]) -> dict[str, Any]:
    if "processes" in value and kind is not Process:
        value["processes"] = tuple(Process(**each) for each in value["processes"])
    for name in ("broken", "void", "skus", "products"):
        if name in value:
            value[name] = tuple(value[name])
    return value
