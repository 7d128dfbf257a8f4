"""The scenarios with crowds by name: each measures, and hands back its part of the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from loadtest.bench import bigroom, herd, inbound, recovery, slow
from loadtest.bench.bigroom_report import bigroom_scene
from loadtest.bench.contenders import Contender
from loadtest.bench.herd_report import herd_scene, recovery_scene
from loadtest.bench.inbound_report import inbound_scene
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores
from loadtest.bench.scene import Scene
from loadtest.bench.slow_report import slow_scene

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]  # tells the report about a server that has started


async def _bigroom(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> Scene:
    return bigroom_scene(await bigroom.measure(plan, cores, say, meet))


async def _slow(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> Scene:
    return slow_scene(await slow.measure(plan, cores, say, meet))


async def _herd(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> Scene:
    return herd_scene(await herd.measure(plan, cores, say, meet))


async def _recovery(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> Scene:
    return recovery_scene(await recovery.measure(plan, cores, say, meet))


async def _inbound(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> Scene:
    return inbound_scene(await inbound.measure(plan, cores, say, meet))


SCENES: dict[str, Callable[[Plan, Cores, Progress, Meet], Awaitable[Scene]]] = {
    "bigroom": _bigroom,
    "slow": _slow,
    "herd": _herd,
    "recovery": _recovery,
    "inbound": _inbound,
}


async def play(
    chosen: Sequence[str], plan: Plan, cores: Cores, say: Progress, meet: Meet
) -> list[Scene]:
    """Those of `chosen` that are scenarios with crowds, one after the other."""
    return [await SCENES[name](plan, cores, say, meet) for name in SCENES if name in chosen]
