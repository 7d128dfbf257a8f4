"""Stands for the load generator: tells what it was given, then ends or waits to be told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def main() -> None:
    arguments = sys.argv[1:]
    print(arguments, flush=True)
    print("key", os.environ["REHEARSAL_KEY"], flush=True)
    print("settings", [name for name in os.environ if name.startswith("ONAIR_")], flush=True)
    if "http://ends.example" in arguments:
        print("onair: nothing to drive", flush=True)
        sys.exit(1)
    if "http://leaves.example" in arguments:  # a child that it does not look after
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        print("child", child.pid, flush=True)
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("waits", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
