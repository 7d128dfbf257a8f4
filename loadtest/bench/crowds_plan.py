"""How big the scenarios with crowds are. The command line changes these, nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class CrowdsPlan:
    """Sizes of one run. Durations are per turn; a turn is one of two things measured by turns."""

    # a big room while buyers buy
    bigroom_viewers: int = 15_000
    bigroom_buyers: int = 400
    bigroom_events_per_s: int = 40
    bigroom_orders_per_s: int = 200
    bigroom_seconds: float = 8.0
    bigroom_turns: int = 3
    # some stop reading
    slow_viewers: int = 2_000
    slow_percent: int = 10
    slow_events_per_s: int = 100
    slow_event_bytes: int = 1_000  # big ones, so that the buffers of a turn's slow readers fill up
    slow_seconds: float = 12.0
    slow_turns: int = 3
    slow_settings: Mapping[str, str] = field(default_factory=dict)
    # all are cut off at once
    herd_viewers: int = 10_000
    herd_buyers: int = 100
    herd_events_per_s: int = 10
    herd_orders_per_s: int = 100
    herd_seconds: float = 10.0
    herd_back_within_s: float = 60.0
    herd_rounds: int = 2  # of each kind of client
    # those who come back, some events behind
    recovery_viewers: int = 4_000
    recovery_events: int = 20
    recovery_turns: int = 3
    # what viewers send
    inbound_speakers: int = 500
    inbound_likes_per_s: tuple[int, ...] = (5_000, 10_000, 15_000)
    inbound_comments_per_s: tuple[int, ...] = (500, 1_000, 2_000)
    inbound_seconds: float = 4.0
    flood_viewers: int = 2_000
    flood_events_per_s: int = 20
    flood_seconds: float = 6.0
    flood_turns: int = 3

    def resized(
        self, *, viewers: int | None = None, rounds: int | None = None, seconds: float | None = None
    ) -> CrowdsPlan:
        """The same with other numbers where they are given."""
        plan = self
        if viewers:
            plan = replace(
                plan,
                bigroom_viewers=viewers,
                slow_viewers=viewers,
                herd_viewers=viewers,
                recovery_viewers=viewers,
                flood_viewers=viewers,
            )
        if rounds:
            plan = replace(
                plan,
                bigroom_turns=rounds,
                slow_turns=rounds,
                herd_rounds=rounds,
                recovery_turns=rounds,
                flood_turns=rounds,
            )
        if seconds:
            plan = replace(
                plan,
                bigroom_seconds=seconds,
                slow_seconds=seconds,
                herd_seconds=seconds,
                inbound_seconds=seconds,
                flood_seconds=seconds,
            )
        return plan

    def within(self, sockets: int) -> CrowdsPlan:
        """The same with audiences that fit into so many sockets, their buyers beside them."""
        return replace(
            self,
            bigroom_viewers=min(self.bigroom_viewers, sockets - self.bigroom_buyers),
            slow_viewers=min(self.slow_viewers, sockets),
            herd_viewers=min(self.herd_viewers, sockets - self.herd_buyers),
            recovery_viewers=min(self.recovery_viewers, sockets),
            inbound_speakers=min(self.inbound_speakers, sockets),
            flood_viewers=min(self.flood_viewers, sockets),
        )


FULL_CROWDS = CrowdsPlan()
QUICK_CROWDS = CrowdsPlan(
    bigroom_viewers=2_000,
    bigroom_buyers=50,
    bigroom_orders_per_s=100,
    bigroom_seconds=3.0,
    bigroom_turns=1,
    slow_viewers=500,
    slow_event_bytes=4_000,
    slow_seconds=3.0,
    slow_turns=1,
    slow_settings={
        "ONAIR_UNSENT_BYTES_MAX": "16384",
        "ONAIR_VIEWER_BUFFER_BYTES_MAX": "131072",
        "ONAIR_PULSE_SKIP_BYTES": "16384",
    },
    herd_viewers=1_000,
    herd_buyers=20,
    herd_seconds=3.0,
    herd_rounds=1,
    recovery_viewers=500,
    recovery_turns=1,
    inbound_speakers=100,
    inbound_likes_per_s=(2_000,),
    inbound_comments_per_s=(200,),
    inbound_seconds=2.0,
    flood_viewers=500,
    flood_seconds=2.0,
    flood_turns=1,
)
