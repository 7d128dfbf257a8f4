"""`python -m loadtest.bench [SCENARIO ...|all] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import uvloop

from loadtest.bench import crowd, environment, fanout, orders, peers, visits
from loadtest.bench.aims import OURS
from loadtest.bench.contenders import STARTERS, Contender, ContenderFailed, running
from loadtest.bench.plan import FULL, QUICK, Plan
from loadtest.bench.processes import Cores
from loadtest.bench.report import Report
from loadtest.bench.scenes import SCENES, play

SCENARIOS = ("fanout", "memory", "connect", "orders", "visits", *SCENES)
RESULTS = Path(".artifacts/bench")
INCOMPLETE, FAILED, TERMINATED = 1, 2, 128 + signal.SIGTERM


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; 0 if every figure asked for has at least one valid round."""
    options = _parser().parse_args(arguments)
    if options.get_peers and (news := peers.get_bun()):
        print(news, file=sys.stderr)
    for name in options.peers or ():
        if way := peers.absent(name):
            print(f"{name} is not present: {way}", file=sys.stderr)
            return FAILED
    _raise_open_files()
    plan = possible(plan_of(options))
    chosen = SCENARIOS if "all" in options.scenario else tuple(options.scenario)
    cores = Cores.divide()
    cores.pin_self()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            report = runner.run(run(plan, chosen, cores))
        except ContenderFailed as error:
            print(f"a server did not start: {error}", file=sys.stderr)
            return FAILED
        except asyncio.CancelledError:
            print("stopped", file=sys.stderr)
            return TERMINATED
    print(f"\n{report.as_text()}\n")
    for path in _save(report, options.json):
        print(f"figures: {path}")
    return 0 if report.is_complete else INCOMPLETE


async def run(plan: Plan, scenarios: tuple[str, ...], cores: Cores) -> Report:
    """Measure what was asked for. Raises `ContenderFailed` if a server does not start.

    SIGTERM cancels it, like Ctrl-C: the servers are stopped and their data is removed.
    """
    began = time.monotonic()
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=sys.stderr, flush=True)

    report = Report(
        environment=environment.fingerprint(),
        plan={**asdict(plan), "cores": asdict(cores)},
        started_at_ms=time.time_ns() // 1_000_000,
        scenarios=scenarios,
    )

    def meet(contender: Contender) -> None:
        if contender.redis:
            report.environment["redis"] = environment.redis_version(contender.redis[0])
        if contender.version:
            report.environment["peers"][contender.name] = contender.version

    gc.disable()  # a collection in the generator would show as somebody's latency
    if "fanout" in scenarios:
        say(f"starting {', '.join(plan.servers)}")
        with running(cores, *plan.servers) as contenders:
            for contender in contenders:
                meet(contender)
            report.fanout_rounds = await fanout.measure(plan, contenders, say)
        report.fanout = fanout.pool(report.fanout_rounds)
    if {"memory", "connect"} & set(scenarios):
        report.crowd_rounds = await crowd.measure(plan, cores, say, meet)
        report.crowd = crowd.pool(report.crowd_rounds)
    if "orders" in scenarios:
        report.orders = await orders.measure(plan, cores, say)
    if "visits" in scenarios:
        report.visits = await visits.measure(plan, cores, say)
    report.scenes = await play(scenarios, plan, cores, say, meet)
    gc.enable()
    report.seconds = time.monotonic() - began
    say("done")
    return report


def plan_of(options: argparse.Namespace) -> Plan:
    """The default or the quick plan, with what the command line changes."""
    plan = QUICK if options.quick else FULL
    crowds = plan.crowds.resized(
        viewers=max(options.viewers) if options.viewers else None,
        rounds=options.rounds,
        seconds=options.seconds,
    )
    plan = replace(plan, crowds=crowds)
    if options.viewers:
        most = max(options.viewers)
        plan = replace(plan, room_viewers=options.viewers, crowd_viewers=most, visits_viewers=most)
    if options.rates:
        plan = replace(plan, events_per_s=options.rates, large_room_events_per_s=options.rates)
    if options.rounds:
        plan = replace(
            plan,
            fanout_rounds=options.rounds,
            large_room_rounds=options.rounds,
            crowd_rounds=options.rounds,
            visits_rounds=options.rounds,
            visits_turns=options.rounds,
        )
    if options.seconds:
        plan = replace(plan, fanout_seconds=options.seconds, visits_seconds=options.seconds)
    if options.peers is not None:
        servers = (OURS, *options.peers)
        plan = replace(plan, servers=servers, crowd_servers=servers)
    return plan


def possible(plan: Plan) -> Plan:
    """The plan without what this machine has not; says so, and how to get it, on stderr."""
    for name in dict.fromkeys((*plan.servers, *plan.crowd_servers)):
        if way := peers.absent(name):
            print(f"left out: {name} is not present: {way}", file=sys.stderr)
    rooms = tuple(viewers for viewers in plan.room_viewers if viewers <= fanout.most_viewers())
    for viewers in set(plan.room_viewers) - set(rooms):
        most = fanout.most_viewers()
        print(f"left out: {viewers} viewers, open files allow {most} (ulimit -n)", file=sys.stderr)
    return replace(
        plan,
        room_viewers=rooms,
        crowds=plan.crowds.within(fanout.most_viewers()),
        crowd_viewers=min(plan.crowd_viewers, fanout.most_viewers() // 4),  # four such crowds
        servers=tuple(name for name in plan.servers if not peers.absent(name)),
        crowd_servers=tuple(name for name in plan.crowd_servers if not peers.absent(name)),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description="Ratios between onair and peers, both measured in the same run.",
    )
    parser.add_argument("scenario", nargs="*", default="all", choices=(*SCENARIOS, "all"))
    parser.add_argument("--quick", action="store_true", help="under 90 seconds, fewer figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--viewers", type=_numbers, metavar="N,N", help="room sizes")
    parser.add_argument("--rates", type=_numbers, metavar="N,N", help="events per second")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each contender")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of a fan-out round")
    parser.add_argument(
        "--peers",
        type=_peers,
        metavar="NAME,NAME",
        help=f"{', '.join(peers.STARTERS)}, or nothing; default: those present",
    )
    parser.add_argument(
        "--get-peers", action="store_true", help="install Bun by npm first if it is not here"
    )
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError("numbers from 1 on")
    return numbers


def _peers(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    if unknown := set(names) - set(STARTERS) | ({OURS} & set(names)):
        raise argparse.ArgumentTypeError(f"no such peer: {', '.join(sorted(unknown))}")
    return names


def _raise_open_files() -> None:
    """Take all the open files the hard limit allows; servers started from here inherit it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _save(report: Report, wanted: Path | None) -> list[Path]:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(report.started_at_ms / 1000))
    paths = [RESULTS / f"{stamp}.json", *([wanted] if wanted else [])]
    text = json.dumps(report.as_json(), indent=1, ensure_ascii=False)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return paths


if __name__ == "__main__":
    sys.exit(main())
