"""How big a run is: rooms, rates, rounds. The command line changes these, nothing else does."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.bench.crowds_plan import FULL_CROWDS, QUICK_CROWDS, CrowdsPlan


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run. Durations are per round and contender."""

    room_viewers: tuple[int, ...] = (100, 2_000, 15_000)
    events_per_s: tuple[int, ...] = (1, 10, 100, 500)
    servers: tuple[str, ...] = ("onair", "naive", "broadcast", "nchan", "nats", "bun")
    fanout_rounds: int = 3
    fanout_seconds: float = 2.0
    large_room_viewers: int = 10_000  # rooms of this size and above take long to fill
    large_room_events_per_s: tuple[int, ...] = (10, 100)
    large_room_rounds: int = 2
    # A peer that writes once per viewer and event cannot keep the higher rates up. It gets the
    # same rate for a shorter time, so that a round still ends: its CPU per event is compared.
    # Whoever gathers when behind gets cheaper with time, and so the whole time.
    deliveries_max: int = 200_000
    arrived_seconds: float = 4.0  # after the last viewer came, until its arrival is old news
    idle_seconds: float = 2.0
    witnesses: int = 50
    drain_within_s: float = 30.0
    crowd_viewers: int = 2_000
    crowd_rounds: int = 2
    crowd_servers: tuple[str, ...] = ("onair", "naive", "nchan", "nats", "bun")
    crowd_joins_per_s: int = 1_000
    warm_viewers: int = 20
    settle_within_s: float = 10.0
    engine_orders: int = 100_000
    engine_rounds: int = 3
    orders_per_s: tuple[int, ...] = (2_000, 8_000, 10_000)
    refusals_per_s: tuple[int, ...] = (20_000,)
    orders_seconds: float = 5.0
    orders_rounds: int = 2
    orders_buyers: int = 800
    visits_per_s: tuple[int, ...] = (10_000, 20_000, 25_000)  # events, in batches
    visits_seconds: float = 4.0
    visits_rounds: int = 2
    visits_pages: int = 400
    visits_viewers: int = 2_000
    visits_fanout_per_s: int = 100
    visits_beside_per_s: int = 10_000
    visits_turns: int = 3
    crowds: CrowdsPlan = FULL_CROWDS

    def rates(self, viewers: int) -> tuple[int, ...]:
        """The rates at which a room of this size is measured."""
        large = viewers >= self.large_room_viewers
        return self.large_room_events_per_s if large else self.events_per_s

    def rounds(self, viewers: int) -> int:
        """How often each contender has its turn in a room of this size."""
        large = viewers >= self.large_room_viewers
        return self.large_room_rounds if large else self.fanout_rounds

    def events(self, viewers: int, per_s: int, *, gathers: bool) -> int:
        """How many events one round of this room and rate publishes; at least 2."""
        wanted = round(per_s * self.fanout_seconds)
        affordable = wanted if gathers else self.deliveries_max // max(1, viewers)
        return max(2, min(wanted, affordable))


FULL = Plan()
QUICK = Plan(
    room_viewers=(1_000,),
    events_per_s=(10, 100),
    servers=("onair", "naive", "nchan", "nats", "bun"),
    fanout_rounds=2,
    fanout_seconds=1.0,
    deliveries_max=50_000,
    idle_seconds=1.0,
    witnesses=20,
    crowd_viewers=500,
    crowd_rounds=1,
    crowd_servers=("onair", "naive"),
    engine_orders=20_000,
    engine_rounds=1,
    orders_per_s=(1_000,),
    refusals_per_s=(2_000,),
    orders_seconds=2.0,
    orders_rounds=1,
    orders_buyers=100,
    visits_per_s=(5_000,),
    visits_seconds=2.0,
    visits_rounds=1,
    visits_pages=100,
    visits_viewers=500,
    visits_beside_per_s=5_000,
    visits_turns=1,
    crowds=QUICK_CROWDS,
)
