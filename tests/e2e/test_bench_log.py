"""The log of a room by itself: every batch is heard by every worker, and the figures are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHIN_S = 120


def test_every_batch_of_the_log_is_heard_by_every_worker(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "loadtest.bench.log_process",
            "--batches",
            "5",
            "--workers",
            "1",
            "3",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=True,
    )
    rows = json.loads(done.stdout)
    assert [(row["workers"], row["events"]) for row in rows] == [(1, 1), (1, 16), (3, 1), (3, 16)]
    for row in rows:
        assert row["heard"] == row["expected"] == 5 * row["workers"]
        assert min(row["redis_us"], row["python_us"], row["taken_in_us"]) > 0
