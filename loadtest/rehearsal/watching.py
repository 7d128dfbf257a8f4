"""What drills and audiences tell each other, by files in the run's directory.

An audience says each second in `audience-*.live.json` how many of its viewers watch, and how many
of those read nothing. It looks for a drill's note each second, too: once for each instant in it, so
many percent of its silent viewers stop reading for so long.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.rehearsal import records

NOTE: Final = "slow-readers.json"
LIVE: Final = "audience-*.live.json"


@dataclass(frozen=True, slots=True)
class Watching:
    """All audiences together; `since_us` is when the one that was silent longest spoke."""

    viewers: int = 0
    slow: int = 0
    since_us: int = 0


def slow_down(directory: Path, percent: int, seconds: int) -> None:
    """From now on, for so long, a part of the audience is to read nothing."""
    note = {"at_us": time.time_ns() // 1000, "percent": percent, "seconds": seconds}
    records.write_json(directory / NOTE, note)


def watching(directory: Path) -> Watching:
    """What the audiences say. Without any, nobody watches."""
    told = [json.loads(path.read_text(encoding="utf-8")) for path in directory.glob(LIVE)]
    return Watching(
        viewers=sum(int(one["viewers"]) for one in told),
        slow=sum(int(one.get("slow", 0)) for one in told),
        since_us=min((int(one["at_us"]) for one in told), default=0),
    )
