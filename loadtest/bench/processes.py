"""Other processes, seen through /proc: CPU time, resident memory, children, listeners. Linux only.

Knows pids; refuses to know what runs in them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU seconds of one or more processes, all threads: the exact sum, and its two parts as
    the kernel's 10 ms clock saw them."""

    total_s: float
    user_s: float
    system_s: float

    def __sub__(self, other: CpuTime) -> CpuTime:
        return CpuTime(
            self.total_s - other.total_s,
            self.user_s - other.user_s,
            self.system_s - other.system_s,
        )


def cpu_time(pids: Iterable[int]) -> CpuTime:
    """CPU time used so far by these processes together. `OSError` if one is gone."""
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    total = user = system = 0.0
    for pid in pids:
        total += time.clock_gettime(_cpu_clock(pid))
        fields = _stat(pid)
        user += int(fields[11]) / ticks_per_s
        system += int(fields[12]) / ticks_per_s
    return CpuTime(total, user, system)


def starved_s(pids: Iterable[int]) -> float:
    """Seconds so far in which each process' busiest thread could have run but had no core.

    The others are left out: they also wait for the busiest, which is nobody else's fault.
    """
    waited_ns = 0
    for pid in pids:
        threads = []
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                ran, waited, _slices = (thread / "schedstat").read_text().split()
            except OSError:  # it ended while we looked
                continue
            threads.append((int(ran), int(waited)))
        waited_ns += max(threads)[1]
    return waited_ns / 1e9


def rss_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes together, shared pages counted in each."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total


def family(root: int) -> list[int]:
    """`root` and everything below it, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:  # it ended while we looked
                continue
    found, queue = [], [root]
    while queue:
        pid = queue.pop(0)
        found.append(pid)
        queue.extend(sorted(children.get(pid, [])))
    return found


def command(pid: int) -> str:
    """The program's short name, such as `redis-server`."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def listeners(pids: list[int], port: int) -> list[int]:
    """Those of `pids` that hold a listening TCP socket on `port`, in the order given."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == LISTEN and int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    return [pid for pid in pids if inodes & _open_files(pid)]


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core the web worker has for itself, and which one everything else shares."""

    web: int | None
    others: int | None

    @classmethod
    def divide(cls) -> Cores:
        """The first two cores this process may use; nothing is pinned if there is only one."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1]) if len(allowed) > 1 else cls(None, None)

    def pin_self(self) -> None:
        """Move this process, and so all it starts from now on, to the shared core."""
        if self.others is not None:
            os.sched_setaffinity(0, {self.others})

    @contextmanager
    def shared(self) -> Iterator[Cores]:
        """For a while this process, and all it starts, may use every core: nothing is pinned."""
        if self.web is None or self.others is None:
            yield self
            return
        os.sched_setaffinity(0, {self.web, self.others})
        try:
            yield Cores(None, None)
        finally:
            self.pin_self()

    def pin_web(self, pids: tuple[int, ...]) -> None:
        """Give the web worker's threads the core that is kept for them."""
        if self.web is None:
            return
        for pid in pids:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {self.web})


def _cpu_clock(pid: int) -> int:
    return ~pid << 3 | 2  # how Linux encodes "CPU clock of process pid" as a clock id


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third on: state, ppid, ..."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _open_files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:  # closed while we looked
            continue
    return found
