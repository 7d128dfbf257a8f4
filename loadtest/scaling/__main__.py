"""`python -m loadtest.scaling --viewers V --events E --orders O`: what such a room needs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from loadtest.scaling import constants
from loadtest.scaling.model import Fleet, Need, fleet_for
from loadtest.scaling.table import with_talk

UNMET, BAD_INPUT = 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Print the fleet; 0 if it serves the need, 1 if nothing does, 2 for a bad value."""
    options = _parser().parse_args(arguments)
    try:
        costs = constants.read(options.constants) if options.constants else constants.Costs()
    except ValueError as error:
        print(f"--constants: {error}", file=sys.stderr)
        return BAD_INPUT
    need = Need(viewers=options.viewers, events_per_s=options.events, orders_per_s=options.orders)
    need = with_talk(need)
    need = replace(
        need,
        comments_per_s=need.comments_per_s if options.comments is None else options.comments,
        likes_per_s=need.likes_per_s if options.likes is None else options.likes,
        refusals_per_s=options.refusals,
        delivery_ms=options.delivery_ms,
        viewers_per_worker_max=options.viewers_per_worker_max,
        busy_share_max=options.busy_percent_max / 100,
    )
    fleet = fleet_for(need, costs)
    if options.json:
        print(json.dumps({"need": asdict(need), "fleet": asdict(fleet)}, indent=1))
    else:
        print(as_text(need, fleet))
    return UNMET if fleet.unmet else 0


def as_text(need: Need, fleet: Fleet) -> str:
    """The answer in lines that an operator reads."""
    parts = ", ".join(
        f"{name} {share:.0%}" for name, share in fleet.worker_parts.items() if share >= 0.005
    )
    lines = [
        ("web workers", f"{fleet.workers}, each with {fleet.viewers_per_worker:,} viewers"),
        ("decided by", fleet.first_limit),
        ("one worker's core", f"{fleet.worker_share:.0%} busy: {parts or 'nearly idle'}"),
        ("frames", f"{fleet.frames_per_s:.1f} a second to each, a tick of {fleet.tick_ms:.0f} ms"),
        ("delivery", f"p50 {fleet.p50_ms:.0f} ms, p99 {fleet.p99_ms:.0f} ms"),
        (
            "Redis of the room",
            f"{fleet.redis_room_share:.0%} of a core, "
            f"batches of a worker every {fleet.append_gap_ms} ms",
        ),
        ("Redis of the sale", f"{fleet.redis_sale_share:.0%} of a core"),
        ("ledger worker", f"{fleet.ledger_share:.0%} of a core"),
        ("cores in all", f"{fleet.cores}"),
        ("memory", f"{fleet.memory_bytes / 1e9:.1f} GB, the kernel's sockets included"),
        (
            "traffic out",
            f"{fleet.out_bytes_per_s * 8e-9:.2f} Gbit/s, "
            f"{fleet.out_bytes_per_s_deflated * 8e-9:.2f} compressed",
        ),
        ("all cut off at once", f"back after {fleet.herd_back_s:.0f} s"),
    ]
    title = (
        f"{need.viewers:,} viewers, {need.events_per_s:g} events/s, {need.orders_per_s:g} orders/s"
    )
    text = [title, *(f"  {name:<20} {what}" for name, what in lines)]
    if fleet.unmet:
        text.append(
            f"  NOT ENOUGH           {', '.join(fleet.unmet)}: no number of workers mends it"
        )
    return "\n".join(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.scaling",
        description="Workers, cores, memory and traffic for one room at its busiest, from measured "
        "costs (docs/SCALING.md). A plan, not a proof: rehearse it.",
    )
    parser.add_argument("--viewers", type=_count, required=True, metavar="V")
    parser.add_argument(
        "--events", type=_rate, default=10.0, metavar="E", help="events viewers see per second"
    )
    parser.add_argument(
        "--orders", type=_rate, default=0.0, metavar="O", help="purchases reserved per second"
    )
    parser.add_argument(
        "--refusals", type=_rate, default=0.0, metavar="N", help="'sold out' answers per second"
    )
    parser.add_argument(
        "--comments", type=_rate, metavar="N", help="comments written per second (as --events)"
    )
    parser.add_argument(
        "--likes", type=_rate, metavar="N", help="like commands per second (a 50th of the viewers)"
    )
    parser.add_argument(
        "--delivery-ms", type=_above_zero, default=400.0, metavar="MS", help="wanted p99"
    )
    parser.add_argument(
        "--viewers-per-worker-max",
        type=_count,
        default=19_744,
        metavar="N",
        help="open files of a process, less 256",
    )
    parser.add_argument(
        "--busy-percent-max",
        type=_percent,
        default=70,
        metavar="P",
        help="how full a core may be",
    )
    parser.add_argument(
        "--constants", type=Path, metavar="FILE", help="JSON with costs measured on your machine"
    )
    parser.add_argument("--json", action="store_true", help="all figures, for programs")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 100,000,000")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("a number from 0 to 10,000,000")
    return number


def _percent(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError("a whole number from 1 to 100")
    return number


def _above_zero(text: str) -> float:
    number = _rate(text)
    if number == 0:
        raise argparse.ArgumentTypeError("a number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
