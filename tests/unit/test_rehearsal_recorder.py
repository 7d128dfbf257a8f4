"""What a process of the crowd keeps of what it measured, and when its people come."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.rehearsal import evidence, schedule
from loadtest.rehearsal.plan import Item, Phases, Plan, Promise
from loadtest.rehearsal.records import Attempt, Brief, Pulse, Sample, write_json
from loadtest.rehearsal.users import recorder as recording
from loadtest.rehearsal.users.clock import Clock
from loadtest.rehearsal.users.part import SQUEEZED_FROM_US, Part
from loadtest.rehearsal.users.recorder import Files, Recorder, outcome_of, packed, unpacked

PLAN = Plan(
    "a plan",
    (Item("mug", "Mug", 40, 100),),
    promise=Promise(arrive_s=10),
    phases=Phases(warm_s=5),
)
BRIEF = Brief("run", "http://127.0.0.1:1", "ws://127.0.0.1:1", "key", "r", "s", ("mug",), 0)
ATTEMPT = Attempt("place", "u", "mug", "r-1", 1_000, 1_100, 2_000, "reserved", "s.1", 100, "early")


class Memory:
    """A sink that keeps all it is given."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.attempts: list[Attempt] = []
        self.pulses: list[Pulse] = []

    def take(self, samples: list[Sample], attempts: list[Attempt], pulse: Pulse | None) -> None:
        self.samples += samples
        self.attempts += attempts
        if pulse is not None:
            self.pulses.append(pulse)


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def recorder(memory: Memory) -> Recorder:
    return Recorder(memory, lambda *_: None)


def test_time_counts_from_the_intended_instant_and_late_starts_are_told_apart(
    recorder: Recorder, memory: Memory
) -> None:
    recorder.sample("rpc", "order.place", 1_000_000, 1_030_000, 1_040_000, "reserved", "u")
    recorder.sample("rpc", "order.place", 1_000_000, 1_060_000, 1_070_000, "reserved", "u")
    recorder.flush()
    assert [(each.late_us, each.took_us) for each in memory.samples] == [
        (30_000, 40_000),
        (60_000, 70_000),
    ]
    assert memory.pulses[0].late_starts == 1
    recorder.flush()
    assert memory.pulses[1].late_starts == 0


def test_what_does_not_fit_is_an_error_of_the_generator_and_takes_no_memory(
    recorder: Recorder, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "HELD_MAX", 2)
    for _ in range(5):
        recorder.sample("rpc", "like.add", 0, 0, 1, "ok")
        recorder.attempt(ATTEMPT)
    recorder.flush()
    assert (len(memory.samples), len(memory.attempts)) == (2, 2)
    assert memory.pulses[0].errors == 6
    assert recorder.outcomes["reserved"] == 5


def test_what_goes_to_a_master_comes_out_as_it_went_in() -> None:
    sample = Sample("push", "comment", 5, 0, 7, "ok")
    pulse = Pulse(1, 0.5, 2.0, 3, 4, 5)
    assert unpacked(packed([sample], [ATTEMPT], pulse)) == ([sample], [ATTEMPT], pulse)
    assert unpacked(packed([], [], None)) == ([], [], None)


def test_the_files_of_a_process_can_be_read_as_evidence(tmp_path: Path) -> None:
    write_json(tmp_path / "plan.json", PLAN.to_json())
    files = Files(tmp_path, "locust-2")
    samples = [Sample("rpc", "order.place", number, 0, 7, "ok", "u") for number in range(3)]
    files.take(samples[:2], [ATTEMPT, ATTEMPT], Pulse(1, 0.5, 2.0, 3, 4, 5))
    files.take(samples[2:], [], None)
    read = evidence.read(tmp_path)
    assert read.samples == {"locust-2": samples}
    assert read.attempts == (ATTEMPT, ATTEMPT)
    assert read.pulses == {"locust-2": [Pulse(1, 0.5, 2.0, 3, 4, 5)]}


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "ok"), (111, "error 429"), (409, "error 409"), (503, "error 503")]
)
def test_an_answer_has_one_word_whoever_refused(code: int, outcome: str) -> None:
    assert outcome_of(code) == outcome


def test_t0_is_by_the_servers_clock() -> None:
    assert Clock.of(10_000, 250.5).at(1_000) == 10_749_500


def part_that_began(recorder: Recorder, before_t0_ms: int) -> Part:
    clock = Clock(t0_us=10**12)
    return Part(PLAN, BRIEF, {}, recorder, clock, began_us=clock.at(-before_t0_ms))


def test_people_come_at_their_instants_when_there_is_time(recorder: Recorder) -> None:
    part = part_that_began(recorder, 60_000)
    for person in schedule.people(PLAN):
        assert part.arrives_us(person) == part.clock.at(person.arrives_ms)


def test_when_it_began_late_they_come_faster_in_the_same_order_and_before_the_sale(
    recorder: Recorder,
) -> None:
    part = part_that_began(recorder, 9_000)
    arrivals = [part.arrives_us(person) for person in schedule.people(PLAN)]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] == part.clock.at(-9_000) + SQUEEZED_FROM_US
    assert arrivals[-1] <= part.clock.at(-5_000)


def test_everybody_is_handed_out_once_by_role(recorder: Recorder) -> None:
    part = part_that_began(recorder, 60_000)
    everybody = schedule.people(PLAN)
    part.bring(everybody)
    seen = []
    for role in schedule.ROLES:
        while (person := part.next(role)) is not None:
            assert person.role == role
            seen.append(person.number)
    assert sorted(seen) == sorted(person.number for person in everybody)
