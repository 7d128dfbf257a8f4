"""How a drill makes a part of the audience read slowly: a note in the run's directory.

An audience looks at the note each second (`asked`). When its number is new, so many of its silent
viewers stop reading until the time is up; how many do is told as `slow` in `audience-*.live.json`.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from loadtest.rehearsal import records

NOTE: Final = "slow-readers.json"
LIVE: Final = "audience-*.live.json"


@dataclass(frozen=True, slots=True)
class Slow:
    """`number` tells one note from the next."""

    number: int
    percent: int  # of the viewers of each audience
    until_us: int


def ask(directory: Path, percent: int, seconds: float) -> None:
    """From now on, for so long, a part of the audience is to read nothing."""
    before = asked(directory)
    until_us = round((time.time() + seconds) * 1_000_000)
    note = Slow(1 if before is None else before.number + 1, percent, until_us)
    records.write_json(directory / NOTE, asdict(note))


def asked(directory: Path) -> Slow | None:
    """The newest note; None without one."""
    try:
        return Slow(**json.loads((directory / NOTE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def count(directory: Path) -> int:
    """How many of all audiences read nothing just now, as they say."""
    slow = 0
    for path in directory.glob(LIVE):
        try:
            slow += int(json.loads(path.read_text(encoding="utf-8")).get("slow", 0))
        except (OSError, ValueError):  # just being replaced
            continue
    return slow
