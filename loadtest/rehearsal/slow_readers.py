"""How a drill makes a part of the audience read slowly: a note in the run's directory.

An audience looks at the note each second. Once for each instant in it, so many percent of its
silent viewers stop reading for so long; how many do is told as `slow` in `audience-*.live.json`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from loadtest.rehearsal import records

NOTE: Final = "slow-readers.json"
LIVE: Final = "audience-*.live.json"


def ask(directory: Path, percent: int, seconds: int) -> None:
    """From now on, for so long, a part of the audience is to read nothing."""
    note = {"at_us": time.time_ns() // 1000, "percent": percent, "seconds": seconds}
    records.write_json(directory / NOTE, note)


def count(directory: Path) -> int:
    """How many of all audiences read nothing just now, as they say."""
    slow = 0
    for path in directory.glob(LIVE):
        try:
            slow += int(json.loads(path.read_text(encoding="utf-8")).get("slow", 0))
        except (OSError, ValueError):  # just being replaced
            continue
    return slow
