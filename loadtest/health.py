"""Was the generator itself the bottleneck? Its CPU share and how late its event loop ran."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from loadtest.samples import Spread

CPU_SHARE_MAX = 0.85
LAG_MS_MAX = 150.0
PROBE_S = 0.02


@dataclass(frozen=True, slots=True)
class Health:
    """A generator's own figures over one measurement."""

    cpu_share: float
    lag_ms: Spread
    sockets_open: int
    errors: int

    def faults(
        self, *, cpu_share_max: float = CPU_SHARE_MAX, lag_ms_max: float = LAG_MS_MAX
    ) -> list[str]:
        """Why a measurement made by this generator is void; empty if it counts."""
        found = []
        if self.cpu_share > cpu_share_max:
            found.append(f"generator used {self.cpu_share:.0%} of its core")
        if self.lag_ms.p99 > lag_ms_max:
            found.append(f"generator's loop was late by {self.lag_ms.p99:.0f} ms (p99)")
        if self.errors:
            found.append(f"generator saw {self.errors} errors")
        return found


class Checkup:
    """Measures from `start()` until `finish()`; needs a running event loop."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wall = self._cpu = 0.0

    def start(self) -> None:
        self._lags_ms = []
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._arm(asyncio.get_running_loop())

    def finish(self, *, sockets_open: int, errors: int) -> Health:
        """Stop probing and report. A probe still overdue counts with its lateness so far."""
        if self._timer is None:
            raise RuntimeError("finish() without start()")
        self._timer.cancel()
        self._timer = None
        self._lags_ms.append(max(0.0, time.perf_counter() - self._due) * 1000)
        wall = max(time.perf_counter() - self._wall, 1e-9)
        return Health(
            cpu_share=(time.process_time() - self._cpu) / wall,
            lag_ms=Spread.of(self._lags_ms),
            sockets_open=sockets_open,
            errors=errors,
        )

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = time.perf_counter() + PROBE_S
        self._timer = loop.call_later(PROBE_S, self._probe, loop)

    def _probe(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lags_ms.append(max(0.0, time.perf_counter() - self._due) * 1000)
        self._arm(loop)
