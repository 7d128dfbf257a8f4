"""The head of the report: what was promised and proved, where, and with what yardstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadtest.rehearsal.findings import Findings, GeneratorHealth, Promised, Verdict
from loadtest.rehearsal.health_check import CPU_SHARE_MAX, LAG_MS_MAX, LATE_SHARE_MAX
from loadtest.rehearsal.records import Referee
from loadtest.rehearsal.report.blocks import (
    Block,
    Cell,
    Code,
    Fact,
    Facts,
    Heading,
    Note,
    Section,
    Table,
)
from loadtest.rehearsal.report.tongue import DASH, Tongue

SAME_SHARE: Final = 0.2  # by which two generators may differ
SHORT_CHARS: Final = 24  # a longer fact has a wider place
TEXT_CHARS_MAX: Final = 400  # of one fact that the server told
_PEOPLE: Final = ("audience", "buyers", "talkers", "likers", "sharers", "hosts")
_GIB: Final = 1024**3
_UNTOLD: Final = frozenset(("limits",))  # they are folded away
_FIRST: Final = (
    *("cpu", "cpus", "cores", "memory_bytes", "system", "kernel", "machine", "commit", "python"),
    *("workers", "ledger_workers", "redis", "redis_embedded", "database", "durability"),
)


def reasons(findings: Findings, tongue: Tongue) -> list[Cell]:
    """Each with its example, if there is one."""
    return [
        Cell(tongue.full(say), small=(str(say.values["example"]),))
        if say.values.get("example")
        else Cell(tongue.full(say))
        for say in findings.reasons
    ]


def first_limit(findings: Findings, tongue: Tongue) -> str:
    """In a sentence; empty if nothing gave, or a drill was only not done."""
    limit = findings.first_limit
    if not limit or (findings.reasons and findings.reasons[0].key == "tight.drill_refused"):
        return ""
    invariant = tongue.name("invariant", limit)
    if invariant != limit:
        return tongue.text("first_broken", limit=invariant)
    key = "tightest" if findings.verdict is Verdict.GO_WITH_LIMITS else "first_limit"
    return tongue.text(key, limit=tongue.name("limit", limit))


def tiles(findings: Findings, tongue: Tongue) -> list[Fact]:
    """The few figures that everybody asks for, of those that were measured."""
    rows = {row.what: row for row in findings.promised}
    found = []
    for what, key in (
        ("viewers", "tile_viewers"),
        ("orders_per_s", "tile_orders"),
        ("order_p99_ms", "tile_p99"),
    ):
        row = rows.get(what)
        if row is not None and row.holds is not None:
            unit = row.unit if row.unit == "ms" else ""
            css = "bad" if row.holds is False else ""
            found.append(Fact(tongue.text(key), tongue.number(_whole(row.proved), unit), css))
    for name, key in (
        ("never_oversold", "tile_oversold"),
        ("nothing_acknowledged_lost", "tile_lost"),
    ):
        for invariant in findings.invariants:
            if invariant.name == name and invariant.checked:
                css = "good" if invariant.holds else "bad"
                found.append(Fact(tongue.text(key), tongue.number(invariant.broken), css))
    return found


def _whole(value: float) -> float:
    return round(value) if value >= 1 else value


def promised(findings: Findings, tongue: Tongue) -> Section:
    rows = [_promise(row, tongue) for row in findings.promised]
    table = Table(
        tongue.text("promised"),
        [tongue.text(f"head_{name}") for name in ("what", "promised", "proved", "holds")],
        rows,
        words=frozenset({3}),
    )
    blocks: list[Block] = [table] if rows else [Note(tongue.text("nothing"))]
    return Section("promised", tongue.text("promised"), tongue.text("promised_lead"), blocks)


def _promise(row: Promised, tongue: Tongue) -> list[Cell | str]:
    bound = tongue.number(row.promised, row.unit)
    proved = tongue.number(row.proved, row.unit)
    if row.what == "recover_s" and row.proved < 0:
        proved = tongue.text("never")
    state = {
        True: ("holds", "good"),
        False: ("holds_not", "bad"),
        None: ("holds_unknown", "unsure"),
    }
    key, css = state[row.holds]
    return [
        tongue.name("promise", row.what),
        tongue.text("at_most" if row.at_most else "at_least", value=bound),
        proved,
        Cell(tongue.text(key), css),
    ]


def environment(findings: Findings, tongue: Tongue) -> Section:
    """Only what was told; nothing of it is made up."""
    told = findings.environment
    blocks: list[Block] = []
    if "same_machine" in told:
        key = "same_machine" if told["same_machine"] else "other_machine"
        blocks.append(Note(tongue.text(key), "unsure" if told["same_machine"] else ""))
    long: list[Fact] = []
    for key, part in _machines(told):
        facts = _facts(part, tongue)
        short = [fact for fact in facts if len(fact.text) <= SHORT_CHARS]
        long += [fact for fact in facts if fact not in short]
        blocks += [Heading(tongue.text(key)), Facts(short)]
    long += _circumstances(told, tongue)
    if long:
        blocks.append(Facts(long, "wide"))
    server = told.get("server")
    limits = server.get("limits") if isinstance(server, Mapping) else None
    if isinstance(limits, Mapping):
        lines = "\n".join(f"{name} = {value}" for name, value in sorted(limits.items()))
        blocks.append(Code(lines, tongue.text("limits")))
    return Section(
        "environment",
        tongue.text("environment"),
        tongue.text("environment_lead"),
        blocks or [Note(tongue.text("nothing"))],
    )


def _machines(told: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What was told of each machine, or of the one that was both."""
    server, generator = (
        {name: value for name, value in part.items() if name not in _UNTOLD}
        if isinstance(part := told.get(key), Mapping)
        else {}
        for key in ("server", "generator")
    )
    generator.pop("redis", None)  # it has none
    if told.get("same_machine") and server and generator:
        return [("both_machines", _ordered({**generator, **server}))]
    named = (("server", server), ("generator_machine", generator))
    return [(key, _ordered(part)) for key, part in named if part]


def _ordered(part: Mapping[str, Any]) -> dict[str, Any]:
    """The machine first, then what runs on it. How many processors are told once."""
    found = dict(part)
    if "cpus" in found:
        found.pop("cores", None)
    if "system" in found:
        found.pop("kernel", None)
        found.pop("machine", None)
    if not found.get("viewers_max"):
        found.pop("viewers_max", None)  # as many as files may be open
    names = [name for name in _FIRST if name in found]
    return {name: found[name] for name in [*names, *(name for name in found if name not in names)]}


def _facts(part: Mapping[str, Any], tongue: Tongue) -> list[Fact]:
    found = []
    for name, value in part.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{key} {each}" for key, each in value.items())
        elif isinstance(value, bool):
            text = tongue.text("yes" if value else "no")
        elif name == "memory_bytes" and isinstance(value, int):
            text = f"{value / _GIB:.1f} GiB"
        elif isinstance(value, int | float):
            text = tongue.number(value)
        else:
            text = str(value)
        found.append(Fact(tongue.name("place", str(name)), text[:TEXT_CHARS_MAX] or DASH))
    return found


def _circumstances(told: Mapping[str, Any], tongue: Tongue) -> list[Fact]:
    found = []
    clock = told.get("clock")
    if isinstance(clock, Mapping) and isinstance(clock.get("skew_ms"), int | float):
        text = tongue.text(
            "clock_text",
            skew=tongue.number(clock["skew_ms"]),
            trip=tongue.number(clock.get("round_trip_ms")),
        )
        found.append(Fact(tongue.text("clock"), text))
    people = told.get("people")
    if isinstance(people, Mapping):
        text = tongue.listed(
            [
                tongue.text(f"people_{name}", n=tongue.number(people[name]))
                for name in _PEOPLE
                if isinstance(people.get(name), int)
            ]
        )
        if text:
            found.append(Fact(tongue.text("crowd"), text))
    exits = told.get("exits")
    failed = [f"{who}: {code}" for who, code in exits.items() if code] if isinstance(
        exits, Mapping) else []  # fmt: skip
    if failed:
        found.append(Fact(tongue.text("exits"), tongue.listed(failed), "bad"))
    return found


def generators(findings: Findings, tongue: Tongue) -> Section:
    blocks: list[Block] = []
    if findings.verdict is Verdict.VOID:
        blocks.append(Note(tongue.text("void_loud"), "loud"))
    blocks += [
        Note(tongue.full(fault), "bad") for each in findings.generators for fault in each.faults
    ]
    if findings.generators:
        names = ("who", "cpu", "lag", "late", "errors", "sockets", "state")
        blocks.append(
            Table(
                tongue.text("generators"),
                [tongue.text(f"head_{name}") for name in names],
                [_generator(each, tongue) for each in findings.generators],
                words=frozenset({6}),
            )
        )
    else:
        blocks.append(Note(tongue.text("nothing")))
    if findings.referee is not None:
        blocks += _referee(findings.referee, tongue)
    lead = tongue.text(
        "generators_lead",
        cpu=tongue.number(round(CPU_SHARE_MAX * 100)),
        lag=tongue.number(LAG_MS_MAX),
        late=tongue.number(round(LATE_SHARE_MAX * 100)),
    )
    return Section("generators", tongue.text("generators"), lead, blocks)


def _generator(health: GeneratorHealth, tongue: Tongue) -> Sequence[Cell | str]:
    return [
        health.who,
        tongue.share(health.cpu_p95),
        tongue.number(health.lag_p99_ms, "ms"),
        tongue.number(health.late_starts),
        tongue.number(health.errors),
        tongue.number(health.sockets_most),
        Cell(tongue.text("sick"), "bad") if health.faults else Cell(tongue.text("well"), "good"),
    ]


def _referee(referee: Referee, tongue: Tongue) -> list[Block]:
    """Both generators side by side, and by how much they differ."""
    rows: list[list[Cell | str]] = []
    for name, locust, driver in (
        ("p50", referee.locust_p50_ms, referee.driver_p50_ms),
        ("p99", referee.locust_p99_ms, referee.driver_p99_ms),
    ):
        share = abs(locust - driver) / driver if driver else 0.0
        css = "good" if share <= SAME_SHARE else "unsure"
        rows.append(
            [
                name,
                tongue.number(locust, "ms"),
                tongue.number(driver, "ms"),
                Cell(tongue.share(share), css),
            ]
        )
    for key, locust, driver, unit in (
        ("referee_cpu", referee.locust_cpu_us, referee.driver_cpu_us, "µs"),
        ("referee_late", referee.locust_late_ms, referee.driver_late_ms, "ms"),
    ):
        if locust or driver:
            pair = (tongue.number(locust, unit), tongue.number(driver, unit))
            rows.append([tongue.text(key), *pair, DASH])
    heads = ["", "Locust", "uvloop", tongue.text("referee_differ")]
    blocks: list[Block] = [
        Heading(tongue.text("referee")),
        Note(
            tongue.text(
                "referee_lead",
                per_s=tongue.number(referee.orders_per_s),
                rounds=tongue.number(referee.rounds),
            )
        ),
        Table(tongue.text("referee"), heads, rows),
    ]
    if referee.why:
        reason = tongue.name("referee", referee.reason) or referee.why
        blocks.append(Note(tongue.text("referee_why", why=reason), "unsure"))
        blocks += [Note(referee.why)] if reason != referee.why else []
    return blocks
