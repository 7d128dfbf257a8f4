"""The scenarios with crowds by name: each measures, and hands back its part of the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loadtest.bench import bigroom, slow
from loadtest.bench.bigroom_report import bigroom_scene
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores
from loadtest.bench.scene import Scene
from loadtest.bench.slow_report import slow_scene

Progress = Callable[[str], None]


async def _bigroom(plan: Plan, cores: Cores, say: Progress) -> Scene:
    return bigroom_scene(await bigroom.measure(plan, cores, say))


async def _slow(plan: Plan, cores: Cores, say: Progress) -> Scene:
    return slow_scene(await slow.measure(plan, cores, say))


SCENES: dict[str, Callable[[Plan, Cores, Progress], Awaitable[Scene]]] = {
    "bigroom": _bigroom,
    "slow": _slow,
}
