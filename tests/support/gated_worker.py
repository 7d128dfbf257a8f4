"""A worker that does nothing, and is ready when somebody puts the file `<pid>` into $GATE."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from server.parentage import Inheritance


def main() -> None:
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    gate = Path(os.environ["GATE"])
    (gate / f"{os.getpid()}.waits").touch()
    while not (gate / str(os.getpid())).exists():
        time.sleep(0.01)
    inheritance.report_ready()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
