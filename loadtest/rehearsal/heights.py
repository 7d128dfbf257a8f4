"""The steps of a search for the knee: what each asks for, and what it showed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from loadtest.buyers import Answers
from loadtest.rehearsal.plan import VIEWERS_MAX, Plan
from loadtest.rehearsal.records import Process, Pulse, Second, Step
from loadtest.samples import Spread, percentile

BUYERS_MAX: Final = 500  # connections that orders come from, in turns
COMMENTS_PER_S_MAX: Final = 200.0
VIEWERS_SHARE_MIN: Final = 0.98  # of those asked for: some are on their way back at any instant
BEHIND_MS_MAX: Final = 250.0  # orders later than this are the generator's fault
CPU_SHARE_MAX: Final = 0.9  # of one core


@dataclass(frozen=True, slots=True)
class Height:
    """What one step asks for."""

    factor: float
    viewers: int
    orders_per_s: float
    orders: int
    stock: int
    comments_per_s: float
    buyers: int

    @classmethod
    def of(cls, plan: Plan, factor: float) -> Height:
        """The plan's rush, `factor` times, kept up for the length of a step."""
        per_s = max(1.0, plan.buyer_count / plan.promise.rush_s * factor)
        orders = round(per_s * plan.finder.step_s)
        return cls(
            factor=round(factor, 3),
            viewers=max(1, min(VIEWERS_MAX - 1, round(plan.promise.viewers * factor))),
            orders_per_s=per_s,
            orders=orders,
            stock=max(1, round(orders / max(1.0, plan.promise.buyers_per_unit))),
            comments_per_s=min(COMMENTS_PER_S_MAX, plan.promise.comments_per_s * factor),
            buyers=max(1, min(BUYERS_MAX, orders, round(plan.buyer_count * factor))),
        )


def heights(plan: Plan) -> list[Height]:
    """All steps that may be taken, the plan itself first."""
    finder = plan.finder
    return [Height.of(plan, 1 + finder.step * number) for number in range(finder.steps_max)]


def unfinished(height: Height, why: object) -> Step:
    """The line of a step that ended with an error: it showed nothing, so it proves nothing."""
    return Step(
        factor=height.factor,
        viewers=0,
        orders_per_s=height.orders_per_s,
        answered_per_s=0.0,
        order_p50_ms=0.0,
        order_p99_ms=0.0,
        delivered_per_s=0.0,
        delivery_p50_ms=0.0,
        delivery_p99_ms=0.0,
        lag_ms=0,
        void=(f"not finished: {why}",),
    )


def describe(step: Step) -> str:
    """A step in one line."""
    held = "; ".join((*step.void, *step.broken)) or "holds"
    return (
        f"step {step.factor:g}: {step.viewers} viewers, {step.answered_per_s:.0f} of "
        f"{step.orders_per_s:.0f} orders/s, p99 {step.order_p99_ms:.0f} ms, "
        f"delivery p99 {step.delivery_p99_ms:.0f} ms: {held}"
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured in one step; `looks` are those from its T0 on."""

    height: Height
    answers: Answers
    delivery: Spread
    delivered: int
    looks: tuple[Second, ...]
    pulses: tuple[Pulse, ...]

    def step(self, plan: Plan) -> Step:
        """The line of it. Pure."""
        looks = self._answered
        return Step(
            factor=self.height.factor,
            viewers=self._viewers,
            orders_per_s=self.height.orders_per_s,
            answered_per_s=self.answers.per_s,
            order_p50_ms=self.answers.late_ms.p50,
            order_p99_ms=self.answers.late_ms.p99,
            delivered_per_s=self.delivered / max(1.0, self.answers.seconds),
            delivery_p50_ms=self.delivery.p50,
            delivery_p99_ms=self.delivery.p99,
            lag_ms=max((look.lag_ms for look in looks), default=0),
            processes=busiest(looks),
            broken=tuple(self._broken(plan)),
            void=tuple(self._void()),
        )

    def _broken(self, plan: Plan) -> list[str]:
        targets, answers = plan.targets, self.answers
        lag_s = max((look.lag_ms for look in self.looks), default=0) / 1000
        failed = answers.unanswered + sum(
            count for outcome, count in answers.outcomes.items() if outcome.startswith("error")
        )
        failed_percent = 100 * failed / max(1, answers.sent)
        found = [
            ("viewers", self.height.viewers * VIEWERS_SHARE_MIN, self._viewers, "", False),
            ("order_latency", targets.order_p99_ms, answers.late_ms.p99, " ms", True),
            ("delivery_latency", targets.delivery_p99_ms, self.delivery.p99, " ms", True),
            ("ledger_lag", targets.ledger_lag_s, lag_s, " s", True),
            ("errors", targets.errors_percent, failed_percent, " %", True),
        ]
        return [
            f"{name}: {proved:g}{unit}, promised {promised:g}{unit}"
            for name, promised, proved, unit, at_most in found
            if (proved > promised if at_most else proved < promised)
        ]

    @property
    def _answered(self) -> list[Second]:
        return [look for look in self.looks if not look.unreachable]

    @property
    def _viewers(self) -> int:
        """Without the connections that orders come from: their people do not watch."""
        connected = max((look.viewers for look in self._answered), default=0)
        return max(0, connected - self.height.buyers)

    def _void(self) -> list[str]:
        behind, shares = self.answers.behind_ms.p99, [pulse.cpu_share for pulse in self.pulses]
        found = []
        if behind > BEHIND_MS_MAX:
            found.append(f"orders went out {behind:.0f} ms late")
        if shares and percentile(sorted(shares), 0.95) > CPU_SHARE_MAX:
            found.append("the audience's core was full")
        if self.height.comments_per_s > 0 and not self.delivery.count:
            found.append("no witness heard anything")
        return found


def busiest(looks: Iterable[Second]) -> tuple[Process, ...]:
    """Each process as it was in its busiest second."""
    most: dict[str, Process] = {}
    for look in looks:
        for process in look.processes:
            if process.name not in most or process.cpu_share > most[process.name].cpu_share:
                most[process.name] = process
    return tuple(most[name] for name in sorted(most))
