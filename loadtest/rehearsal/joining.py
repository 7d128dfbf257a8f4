"""More load machines: Locust workers here for the rehearsal that another machine directs.

The master sends them all that the rehearsal's directory holds; nothing needs to be copied. Locust's
own connection is neither encrypted nor guarded by a password: use it in a network that you trust.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtest.rehearsal import generators
from loadtest.rehearsal.children import Children, raise_open_files
from loadtest.rehearsal.trouble import CutShort, Trouble

LOOK_S: Final = 0.2
REACH_WITHIN_S: Final = 60.0  # the machine that directs may be started a little later
DIAL_WITHIN_S: Final = 5.0


def join(
    host: str,
    port: int,
    workers: int,
    stopped: Callable[[], str],
    *,
    within_s: float = REACH_WITHIN_S,
) -> int:
    """Make load until that rehearsal is over. Raises `Trouble` and `CutShort`.

    Somebody must listen there `within_s`; Locust by itself would go on dialling for minutes.
    """
    raise_open_files()
    _reach(host, port or generators.PORT, stopped, within_s)
    with tempfile.TemporaryDirectory(prefix="onair-load-") as home, Children() as children:
        some = [
            generators.join(host, port, number, Path(home), children)
            for number in range(1, workers + 1)
        ]
        print(f"{workers} workers for {host}; Ctrl-C ends them", flush=True)
        while any(child.code is None for child in some):
            if stopped():
                raise CutShort(f"stopped by {stopped()}")
            time.sleep(LOOK_S)
        for child in some:
            if child.code:
                said = child.tail.splitlines()
                raise Trouble(f"{child.name}: {said[-1] if said else child.code}")
    return 0


def _reach(host: str, port: int, stopped: Callable[[], str], within_s: float) -> None:
    """Wait until somebody listens."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            socket.create_connection((host, port), timeout=DIAL_WITHIN_S).close()
        except OSError as error:
            if isinstance(error, socket.gaierror) or time.monotonic() >= deadline_s:
                raise Trouble(f"no rehearsal to join at {host}, port {port}: {error}") from None
        else:
            return
        if stopped():
            raise CutShort(f"stopped by {stopped()}")
        time.sleep(LOOK_S)
