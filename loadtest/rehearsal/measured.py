"""What a run measured, without the time of its drills. Pure.

What a drill does to requests while it lasts, and for the time in which it may recover, is the
drill's: it has a line of its own and no part in these figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from loadtest.rehearsal.evidence import Evidence
from loadtest.rehearsal.latency import is_request
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import DRILLS, Plan
from loadtest.rehearsal.records import DrillReport, Sample, Second

BOTS: Final = "bots"  # a kind of buyer
LOOK_S: Final = 1.0  # between two looks at the server: what a drill did may still show in the next
# Drills that people feel, and those that the ledger feels.
FELT_BY_REQUESTS: Final = frozenset(("kill_worker", "restart_redis", "cut_network"))
FELT_BY_LEDGER: Final = FELT_BY_REQUESTS | {"stop_ledger"}


@dataclass(frozen=True)
class Measured:
    """A run's samples and looks without the time of its drills."""

    evidence: Evidence
    plan: Plan

    @cached_property
    def samples(self) -> list[Sample]:
        windows = self.windows(FELT_BY_REQUESTS)
        return [
            sample
            for samples in self.evidence.samples.values()
            for sample in samples
            if not any(
                sample.intended_us <= ends and sample.intended_us + sample.took_us >= begins
                for begins, ends in windows
            )
        ]

    @cached_property
    def looks(self) -> list[Second]:
        """Of the timeline, outside of every drill that the server's state shows."""
        windows = self.windows(FELT_BY_LEDGER)
        return [
            look
            for look in self.evidence.timeline
            if not any(begins <= look.at_us <= ends for begins, ends in windows)
        ]

    @cached_property
    def orders(self) -> list[Sample]:
        """Purchases of people. What bots are told, and how fast, proves nothing for them."""
        return [
            each
            for each in self.samples
            if each.name == "order.place" and each.user not in self.bots
        ]

    @cached_property
    def pushes(self) -> list[Sample]:
        return [each for each in self.samples if each.kind == "push"]

    @cached_property
    def connects(self) -> list[Sample]:
        return [each for each in self.samples if each.kind == "connect"]

    @cached_property
    def requests(self) -> list[Sample]:
        """Of people: thousands of a bot's would make any failure look rare."""
        return [each for each in self.samples if is_request(each) and each.user not in self.bots]

    @cached_property
    def bots(self) -> frozenset[str]:
        return frozenset(each.user for each in self.evidence.attempts if each.kind == BOTS)

    @cached_property
    def lost_lines(self) -> int:
        """Connections that were lost and came back, without any drill."""
        windows = self.windows(frozenset(DRILLS))
        return sum(
            each.kind == "connect"
            and each.name == "reconnect"
            and not any(begins <= each.intended_us <= ends for begins, ends in windows)
            for each in self.samples
        )

    @property
    def drills(self) -> list[DrillReport]:
        """Those that were done."""
        return [drill for drill in self.evidence.drills if not drill.refused]

    def windows(self, kinds: frozenset[str]) -> list[tuple[int, int]]:
        """From when until when drills of those kinds were felt, by the generator's clock.

        One that recovered late was felt until then; its lateness is told in a line of its own.
        """
        t0_us = self.evidence.t0_us
        found = []
        for drill in self.drills:
            if drill.kind in kinds:
                promised = self.plan.targets.recover_s
                felt_s = max(promised, drill.recovered_after_s, drill.viewers_back_s) + LOOK_S
                begins, ends = drill.began_s, drill.ended_s + felt_s
                found.append((t0_us + round(begins * 1e6), t0_us + round(ends * 1e6)))
        return found


def watching(measured: Measured) -> list[tuple[int, int]]:
    """How many watched at each look of the spike without a drill: (instant, viewers).

    The server counts connections. Buyers sign in and do not watch: they are taken off.
    """
    plan, t0_us = measured.plan, measured.evidence.t0_us
    buyers, drills = People.of(plan).buyers, measured.windows(FELT_BY_REQUESTS)
    spike = range(t0_us, t0_us + plan.phases.spike_s * 1_000_000)
    return [
        (look.at_us, max(0, look.viewers - buyers))
        for look in measured.evidence.timeline
        if look.at_us in spike
        and not look.unreachable
        and not any(begins <= look.at_us <= ends for begins, ends in drills)
    ]
