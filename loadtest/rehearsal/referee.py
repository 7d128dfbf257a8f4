"""A referee between two generators: the same orders from Locust's users and from a uvloop driver.

Rounds in turns (driver, Locust, Locust, driver), each on a sale of its own, open loop at one rate,
each in a process of its own. Percentiles are of the raw samples of both rounds of a side. Where
the sides differ by more than a fifth, it says what each of them spent itself.

`python -m loadtest.rehearsal.referee ROUND.json` plays one round of the driver.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import uvloop

from loadtest.buyers import Party
from loadtest.rehearsal.children import Child, Children
from loadtest.rehearsal.http import Api, ApiError, address
from loadtest.rehearsal.records import Brief, Referee, write_json
from loadtest.rehearsal.stage import open_sale
from loadtest.samples import Spread

LOCUSTFILE: Final = Path(__file__).with_name("referee_locust.py")
ROUND_VARIABLE: Final = "REFEREE_ROUND"
DRIVER: Final = "driver"
LOCUST: Final = "locust"
TURNS: Final = (DRIVER, LOCUST, LOCUST, DRIVER)
SAME_SHARE: Final = 0.2  # differences up to a fifth are none
PERCENTILES: Final = ("p50", "p99")
PER_S_MAX: Final = 1_000.0  # what one Locust process makes for certain
BUYERS_MAX: Final = 500
HOLD_S: Final = 3_600  # nobody pays here
START_WITHIN_S: Final = 60.0  # for a generator to start and its buyers to sign in
ANSWER_WITHIN_S: Final = 30.0
DRAIN_WITHIN_S: Final = 30.0
BEGIN_AFTER_S: Final = 0.5  # from the last buyer's signing in to the first order
RESERVED: Final = "reserved"
LOOK_S: Final = 0.2
MICROSECONDS: Final = 1_000_000


class NotPlayed(Exception):
    """A round could not be played; the text says why."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a generator plays: order k at k / `per_s` after the first, by buyer k modulo them."""

    base_url: str
    websocket_url: str
    sale: str
    sku: str
    per_s: float
    count: int
    tokens: tuple[tuple[str, str], ...]
    result: str  # the file to write

    @classmethod
    def read(cls, path: Path) -> Round:
        value = json.loads(path.read_bytes())
        tokens = tuple((str(user), str(token)) for user, token in value.pop("tokens"))
        return cls(tokens=tokens, **value)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it. `took_ms` of each answered order, from its intended instant."""

    took_ms: Sequence[float]
    late_p99_ms: float  # begun later than intended
    outcomes: Mapping[str, int]
    unanswered: int
    cpu_s: float  # of the generator, from the first order to the last answer
    seconds: float

    @property
    def spread(self) -> Spread:
        return Spread.of(self.took_ms)

    @classmethod
    def read(cls, path: Path) -> Played:
        """Raises `OSError`, and `ValueError` or `TypeError` if the file is no result."""
        return cls(**json.loads(path.read_bytes()))


@dataclass(slots=True)
class Side:
    """All rounds of one generator."""

    rounds: list[Played] = field(default_factory=list)

    @property
    def spread(self) -> Spread:
        return Spread.of(ms for each in self.rounds for ms in each.took_ms)

    @property
    def outcomes(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for each in self.rounds:
            found.update(each.outcomes)
            found.update({"unanswered": each.unanswered} if each.unanswered else {})
        return found

    @property
    def late_ms(self) -> float:
        return max((each.late_p99_ms for each in self.rounds), default=0.0)

    @property
    def cpu_us(self) -> float:
        """Of an order."""
        orders = sum(len(each.took_ms) for each in self.rounds)
        return sum(each.cpu_s for each in self.rounds) * MICROSECONDS / max(1, orders)

    @property
    def cpu_share(self) -> float:
        """Of one core."""
        seconds = sum(each.seconds for each in self.rounds)
        return sum(each.cpu_s for each in self.rounds) / max(seconds, 1e-9)


def run(
    brief: Brief,
    tokens: Sequence[Sequence[str]],
    orders_per_s: float,
    seconds: int,
    directory: Path,
) -> Referee:
    """Play all rounds and write `referee.json`. What cannot be played is said in `why`."""
    home = directory / "referee"
    home.mkdir(exist_ok=True)
    per_s = min(orders_per_s, PER_S_MAX)
    sides, trouble = {DRIVER: Side(), LOCUST: Side()}, ""
    shop = Api(brief.base_url, brief.key)
    try:
        for number, side in enumerate(TURNS, 1):
            one = _prepared(brief, shop, tokens, per_s, seconds, home / f"{number}-{side}.out.json")
            sides[side].rounds.append(_play(one, side, home / f"{number}-{side}.json"))
            _drain(shop, one.sale)
    except (ApiError, OSError, NotPlayed) as error:
        trouble = f"round {number}, {side}: {error}"
    found = judged(per_s, sides[LOCUST], sides[DRIVER])
    found = replace(found, why=trouble, reason="unplayed") if trouble else found
    write_json(directory / "referee.json", asdict(found))
    return found


def judged(per_s: float, locust: Side, driver: Side) -> Referee:
    """Both sides beside each other, and why they differ if they do. Pure."""
    here, there = locust.spread, driver.spread
    reason, why = explained(locust, driver)
    return Referee(
        orders_per_s=per_s,
        rounds=len(locust.rounds) + len(driver.rounds),
        locust_p50_ms=round(here.p50, 3),
        locust_p99_ms=round(here.p99, 3),
        driver_p50_ms=round(there.p50, 3),
        driver_p99_ms=round(there.p99, 3),
        why=why,
        reason=reason,
        locust_cpu_us=round(locust.cpu_us, 1),
        driver_cpu_us=round(driver.cpu_us, 1),
        locust_late_ms=round(locust.late_ms, 3),
        driver_late_ms=round(driver.late_ms, 3),
    )


def explained(locust: Side, driver: Side) -> tuple[str, str]:
    """What was measured that explains a difference of more than a fifth: a word and a sentence.

    Both are empty if there is none.
    """
    here, there = locust.spread, driver.spread
    if not here.count or not there.count:
        return "answers", "a side has no answers"
    if set(locust.outcomes) != set(driver.outcomes):
        return "answers", f"other answers: {dict(locust.outcomes)} and {dict(driver.outcomes)}"
    apart = [name for name in PERCENTILES if _differ(getattr(here, name), getattr(there, name))]
    if not apart:
        return "", ""
    figures = ", ".join(
        f"{name} {getattr(here, name):.2f} ms and {getattr(there, name):.2f} ms" for name in apart
    )
    unsteady = [each for name in apart for each in _unsteady(name, locust, driver)]
    if len(unsteady) >= len(apart):
        return "unsteady", f"{figures}: the machine was not steady, {'; '.join(unsteady)}"
    return "cost", (
        f"{figures}: an order takes {locust.cpu_us:.0f} µs of CPU in Locust "
        f"({locust.cpu_share:.0%} of a core) and {driver.cpu_us:.0f} µs in the driver "
        f"({driver.cpu_share:.0%}); it begins {locust.late_ms:.2f} ms late there and "
        f"{driver.late_ms:.2f} ms here (p99)"
    )


def _unsteady(name: str, locust: Side, driver: Side) -> list[str]:
    """If rounds of one side are as far apart as the sides are: which, and how far."""
    apart_ms = abs(getattr(locust.spread, name) - getattr(driver.spread, name))
    for who, side in (("the driver", driver), ("Locust", locust)):
        own = [getattr(each.spread, name) for each in side.rounds]
        if max(own) - min(own) >= apart_ms:
            told = " and ".join(f"{ms:.2f}" for ms in own)
            return [f"{who} alone had a {name} of {told} ms in its rounds"]
    return []


def _differ(locust_ms: float, driver_ms: float) -> bool:
    return abs(locust_ms - driver_ms) > SAME_SHARE * driver_ms


def _prepared(
    brief: Brief,
    shop: Api,
    tokens: Sequence[Sequence[str]],
    per_s: float,
    seconds: int,
    result: Path,
) -> Round:
    """A fresh sale that nobody empties, and who buys in it. Raises `ApiError`."""
    count = max(1, round(per_s * seconds))
    some = tokens[: max(1, min(BUYERS_MAX, math.ceil(per_s), count))]
    sale = f"{brief.sale}-{result.name.partition('.')[0]}"
    each_max = math.ceil(count / len(some))
    open_sale(shop, sale, brief.room, brief.skus[0], count, each_max, HOLD_S)
    return Round(
        base_url=brief.base_url,
        websocket_url=brief.websocket_url,
        sale=sale,
        sku=brief.skus[0],
        per_s=per_s,
        count=count,
        tokens=tuple((user, token) for user, token in some),
        result=str(result),
    )


def _play(one: Round, side: str, path: Path) -> Played:
    """One round in a process of its own. Raises `NotPlayed`."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(one)), encoding="utf-8")
    if side == DRIVER:
        module = ["loadtest.rehearsal.referee", str(path)]
    else:
        people = str(len(one.tokens))
        module = ["locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"]
        module += ["--loglevel", "WARNING", "-u", people, "-r", people]
    bound_s = START_WITHIN_S + one.count / one.per_s + ANSWER_WITHIN_S
    with Children() as children:
        settings = {ROUND_VARIABLE: str(path)}
        child = children.add(Child.module(path.stem, module, path.parent, settings))
        is_done = child.wait(bound_s)
    path.unlink()  # it holds tokens
    if not is_done:
        raise NotPlayed(f"not done within {bound_s:.0f} s")
    if child.code:
        raise NotPlayed((child.tail.splitlines() or [f"exit code {child.code}"])[-1])
    try:
        return Played.read(Path(one.result))
    except (ValueError, TypeError) as error:
        raise NotPlayed(f"no result: {error}") from None


def _drain(shop: Api, sale: str) -> None:
    """Wait until the ledger holds everything, so that the next round begins afresh."""
    deadline_s = time.monotonic() + DRAIN_WITHIN_S
    while time.monotonic() < deadline_s:
        books: dict[str, Any] = shop.call("GET", f"/api/v1/sales/{sale}/books")
        if books["agree"] is True and books["lag"] == 0:
            return
        time.sleep(LOOK_S)


async def drive(one: Round) -> Played:
    """The driver's round. Raises `OSError` if a buyer does not get in."""
    host, port, prefix = address(one.base_url)
    secure = one.websocket_url.startswith("wss:")
    party = Party(port, "", host=host, prefix=prefix, is_secure=secure)
    try:
        await party.join(one.tokens)
        await asyncio.sleep(BEGIN_AFTER_S)
        used_s = time.process_time()
        answers = await party.buy(one.sale, one.sku, one.count, one.per_s, within_s=ANSWER_WITHIN_S)
        used_s = time.process_time() - used_s
        return Played(
            took_ms=[round(ms, 3) for ms in party.shared.samples_ms],
            late_p99_ms=answers.behind_ms.p99,
            outcomes=answers.outcomes,
            unanswered=answers.unanswered,
            cpu_s=used_s,
            seconds=answers.seconds,
        )
    finally:
        await party.leave()


def main(arguments: Sequence[str]) -> int:
    one = Round.read(Path(arguments[0]))
    write_json(Path(one.result), asdict(uvloop.run(drive(one))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
