"""Who presses when: the schedule of a rehearsal is a pure function of its plan."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtest.rehearsal import schedule
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Buyers, Item, Phases, Plan, Promise
from loadtest.rehearsal.schedule import Buying, Person

ITEMS = (Item("mug", "Mug", 100, 8_900), Item("tea", "Tea", 25, 9_900))
EVERY_KIND = Buyers(on_time=40, early=10, impatient=10, abandoning=10, late=10, bots=20)


def plan_of(seed: int = 1, **changes: object) -> Plan:
    return Plan("a big day", ITEMS, seed=seed, **changes)  # type: ignore[arg-type]


def buyers(plan: Plan) -> list[tuple[Person, Buying]]:
    return [(each, each.buying) for each in schedule.people(plan) if each.buying is not None]


def test_the_same_plan_and_seed_give_the_same_schedule_and_another_seed_another() -> None:
    assert schedule.people(plan_of(seed=7)) == schedule.people(plan_of(seed=7))
    presses = [[b.presses_ms for _, b in buyers(plan_of(seed=seed))] for seed in (7, 8)]
    assert presses[0] != presses[1]


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_however_many_processes_play_it_everybody_is_played_once_and_unchanged(
    processes: int,
) -> None:
    everybody = schedule.people(plan_of())
    parts = [schedule.part(everybody, number, processes) for number in range(processes)]
    assert sorted((each for part in parts for each in part), key=lambda p: p.number) == sorted(
        everybody, key=lambda p: p.number
    )
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_everybody_with_a_token_has_one_of_his_own_among_those_of_his_kind() -> None:
    plan = plan_of()
    cast = People.of(plan)
    kinds = {
        schedule.BUYER: "buyers",
        schedule.TALKER: "talkers",
        schedule.LIKER: "likers",
        schedule.SHARER: "sharers",
        schedule.HOST: "hosts",
    }
    everybody = schedule.people(plan)
    for role, kind in kinds.items():
        numbers = [each.number for each in everybody if each.role == role]
        assert sorted(numbers) == list(cast.places(kind))
    watchers = [each.number for each in everybody if each.role == schedule.VIEWER]
    assert len(set(watchers)) == schedule.VIEWERS
    assert max(watchers) < 0


def test_buyers_are_of_each_kind_and_want_each_item_as_the_plan_has_it() -> None:
    plan = plan_of(buyers=EVERY_KIND)
    kinds = Counter(buying.kind for _, buying in buyers(plan))
    items = Counter(buying.item for _, buying in buyers(plan))
    assert plan.buyer_count == 375
    assert kinds["on_time"] == 150
    assert kinds["bots"] == 75
    assert all(abs(kinds[name] - 37.5) < 1 for name in ("early", "impatient", "abandoning", "late"))
    assert items == {0: 300, 1: 75}


def test_everybody_has_come_before_the_warm_phase_and_the_host_is_first() -> None:
    plan = plan_of()
    arrivals = [each.arrives_ms for each in schedule.people(plan)]
    warm_ms, arrive_ms = plan.phases.warm_s * 1000, plan.promise.arrive_s * 1000
    assert arrivals == sorted(arrivals)
    assert -warm_ms - arrive_ms <= arrivals[0]
    assert arrivals[-1] <= -warm_ms
    assert schedule.people(plan)[0].role == schedule.HOST


def test_the_rush_is_as_long_as_promised_and_most_come_in_its_first_third() -> None:
    plan = plan_of(promise=Promise(rush_s=6.0), buyers=Buyers(early=0, bots=0))
    presses = [buying.presses_ms[0] for _, buying in buyers(plan)]
    assert min(presses) >= 0
    assert 5_000 <= max(presses) < 6_000
    first_third = sum(at_ms < 2_000 for at_ms in presses)
    assert 0.5 < first_third / len(presses) < 0.6  # 1 - (2/3)^2 of a falling line


def test_the_early_press_before_the_sale_opens_and_again_at_once_when_it_has() -> None:
    plan = plan_of(buyers=Buyers(on_time=0, impatient=0, abandoning=0, late=0))
    for _, buying in buyers(plan):
        before_ms, at_ms = buying.presses_ms
        assert -schedule.EARLY_MS <= before_ms < 0 <= at_ms <= 100


def test_who_abandons_never_pays_and_who_is_late_pays_within_the_hold() -> None:
    for hold_s in (5, 60):
        plan = plan_of(phases=Phases(hold_s=hold_s), buyers=EVERY_KIND)
        for _, buying in buyers(plan):
            if buying.kind == "abandoning":
                assert buying.pays == "never"
            elif buying.kind == "late":
                assert buying.pays == "late"
                assert 0 < buying.pays_after_ms < hold_s * 1000
            else:
                assert buying.pays == "soon"


def test_who_got_nothing_looks_again_only_when_every_first_hold_has_run_out_and_there_is_time() -> (
    None
):
    plan = plan_of(phases=Phases(hold_s=10, spike_s=20, settle_s=20))
    back = [buying.back_ms for _, buying in buyers(plan) if buying.back_ms]
    assert back
    assert min(back) > 13_000
    assert max(back) < schedule.ends_ms(plan)
    short = plan_of(phases=Phases(hold_s=60, spike_s=20, settle_s=20))
    assert not any(buying.back_ms for _, buying in buyers(short))


@pytest.mark.parametrize(
    ("role", "what", "per_s"),
    [(schedule.TALKER, "comment", 4.0), (schedule.SHARER, "share", 0.5)],
)
def test_acts_are_as_many_as_promised_evenly_from_the_warm_phase_to_the_end_of_the_spike(
    role: str, what: str, per_s: float
) -> None:
    promise = Promise(comments_per_s=4.0, shares_per_s=0.5)
    plan = plan_of(promise=promise, phases=Phases(warm_s=10, spike_s=30))
    acts = [
        act for each in schedule.people(plan) if each.role == role for act in each.acts
    ]  # fmt: skip
    assert {act.what for act in acts} == {what}
    assert len(acts) == round(40 * per_s)
    assert sorted(act.number for act in acts) == list(range(len(acts)))
    for tenth in range(4):
        begin_ms = -10_000 + tenth * 10_000
        within = [act for act in acts if begin_ms <= act.at_ms < begin_ms + 10_000]
        assert len(within) == round(10 * per_s)


def test_likes_are_gathered_and_make_what_is_promised() -> None:
    plan = plan_of(promise=Promise(likes_per_s=50.0), phases=Phases(warm_s=10, spike_s=30))
    likers = [each for each in schedule.people(plan) if each.role == schedule.LIKER]
    assert sum(act.number for each in likers for act in each.acts) == 40 * 50


def test_nothing_promised_means_nobody_for_it() -> None:
    quiet = Promise(comments_per_s=0, likes_per_s=0, shares_per_s=0, pins_per_minute=0)
    roles = {each.role for each in schedule.people(plan_of(promise=quiet))}
    assert roles == {schedule.BUYER, schedule.VIEWER, schedule.HOST}


def test_the_host_brings_what_was_held_back_so_that_all_is_sold_in_the_end() -> None:
    plan = plan_of()
    assert schedule.on_sale(plan) == {"mug": 90, "tea": 23}
    (host,) = (each for each in schedule.people(plan) if each.role == schedule.HOST)
    brought = [act.number for act in host.acts if act.what == "restock"]
    whole = {
        item.sku: schedule.on_sale(plan)[item.sku]
        + sum(schedule.held_back(item.stock) for number in brought if number == n)
        for n, item in enumerate(plan.items)
    }
    assert whole == {"mug": 100, "tea": 25}
    assert all(0 < act.at_ms < 20_000 for act in host.acts if act.what == "restock")


def test_bots_press_faster_than_anybody_is_allowed_to() -> None:
    plan = plan_of(buyers=EVERY_KIND)
    for _, buying in buyers(plan):
        if buying.kind == "bots":
            gaps = {b - a for a, b in zip(buying.presses_ms, buying.presses_ms[1:], strict=False)}
            assert gaps == {schedule.BOT_EVERY_MS}
            assert len(buying.presses_ms) == schedule.BOT_PRESSES
