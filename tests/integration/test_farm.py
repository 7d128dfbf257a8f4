"""A farm of ten thousand scripted arrivals against one ladder, and a thousand real ones among them.

Everything is fed as pieces of visits through the writer of visits, in batches, and judged as time
goes on. Farmers are granted nothing; every real arrival counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa

from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState
from rooms.sharing.visits import Piece
from server.database.arrival_records import Arrivals
from server.database.binding_records import Bindings
from server.database.engine import Database
from server.database.ladder_words import Grant
from server.database.tables import sanctions
from server.database.visit_store import VisitStore
from tests.support.ladder_town import BEAT_GAP_MS, IDLE_S, LADDER, NOW_MS, ROOM, Guest, Town

pytest_plugins = ["tests.support.databases"]

ARTIFACTS = Path(__file__).parents[2] / ".artifacts"
FAKE = 10_000
REAL = 1_000
SMALLER_ON_POSTGRESQL = 8  # the same in small: what differs between engines is not the size
ARRIVALS_OF_EACH = 10  # of each inviter of real ones
PIECES_AT_ONCE = 2_000
JUDGED_AT_ONCE = 200
HOURS_MS = 2 * 3_600_000
MINUTE_MS = 60_000

Coming = tuple[int, Guest]  # when a visit begins, and whose it is


def net(number: int) -> str:
    """One of two hundred and fifty thousand networks, each number another one."""
    return f"{11 + number // 65_536}.{number // 256 % 256}.{number % 256}.0/24"


class Farm:
    """Thirteen kinds of farmers, each with an inviter of its own who wants the rewards."""

    def __init__(self, fake: int, real: int) -> None:
        self._fake, self._real = fake, real
        self._nets = 10_000
        self.kinds = {
            "self-invites": (self.self_invites, {Verdict.SELF_INVITE}),
            "private windows at home": (self.windows, {Verdict.SELF_INVITE}),
            "repeats of counted people": (self.repeats, {Verdict.REPEAT}),
            "hidden pages": (self.hidden, {Verdict.TOO_SHORT}),
            "fast clocks": (self.fast, {Verdict.IMPOSSIBLE_SPEED}),
            "one device, many accounts": (self.one_device, {Verdict.DEVICE_CLUSTER}),
            "one network, many devices": (self.one_network, {Verdict.ADDRESS_CLUSTER}),
            "alike browsers": (self.alike, {Verdict.AGENT_CLUSTER}),
            "banned people and inviters": (self.banned, {Verdict.BANNED}),
            "inside WeChat": (self.wechat, {Verdict.CHANNEL_POLICY}),
            "no action": (self.silent, {Verdict.NO_ACTION}),
            "known visitors": (self.known, {Verdict.NOT_NEW_PERSON, Verdict.NOT_NEW_DEVICE}),
            "instant actions": (self.instant, {Verdict.IMPOSSIBLE_SPEED}),
        }
        # Whole pairs and threes, so that nobody of a group is left alone.
        self.each = -(-fake // (6 * len(self.kinds))) * 6

    def own_net(self) -> str:
        self._nets += 1
        return net(self._nets)

    def self_invites(self, n: int) -> Guest:
        own = {"user": "farm-self"} if n % 2 else {"device": "d-farm-self"}
        return Guest(f"self-{n}", inviter="farm-self", net=self.own_net(), **own)  # type: ignore[arg-type]

    def windows(self, n: int) -> Guest:
        """Two for each inviter: no more than the bounds of network and browser let count."""
        home = at_home(n // 2)
        return Guest(f"window-{n}", home.user, net=home.net, agent=home.agent)

    def repeats(self, n: int) -> Guest:
        real = real_guest(n % self._real, self._real)
        return Guest(f"again-{n}", real.inviter, device=real.device, net=self.own_net())

    def hidden(self, n: int) -> Guest:
        return self._plain("hidden", n, visible=False, stay_ms=90_000)

    def fast(self, n: int) -> Guest:
        return self._plain("fast", n, stay_ms=5_000, acts_after_ms=2_000, claims_ms=56_000)

    def one_device(self, n: int) -> Guest:
        return self._plain("device", n, device=f"d-shared-{n // 60}", user=f"sock-{n}")

    def one_network(self, n: int) -> Guest:
        return self._plain("network", n, net=net(n // 40))

    def alike(self, n: int) -> Guest:
        return self._plain("alike", n, net=net(1_000 + n // 3), agent="headless")

    def banned(self, n: int) -> Guest:
        if n % 2:
            return self._plain("banned", n, user=f"banned-{n % 50}")
        return Guest(f"banned-{n}", inviter="banned-0", net=self.own_net())

    def wechat(self, n: int) -> Guest:
        return self._plain("wechat", n, **({"app": "wechat"} if n % 2 else {"channel": "wechat"}))

    def silent(self, n: int) -> Guest:
        return self._plain("silent", n, acts_after_ms=None, stay_ms=120_000)

    def known(self, n: int) -> Guest:
        old = {"user": f"old-{n}"} if n % 2 else {"device": f"d-old-{n}"}
        return self._plain("known", n, **old)

    def instant(self, n: int) -> Guest:
        return self._plain("instant", n, acts_after_ms=200)

    def _plain(self, kind: str, n: int, **how: object) -> Guest:
        facts = {"inviter": f"farm-{kind}", "net": self.own_net()} | how
        return Guest(f"{kind}-{n}", **facts)  # type: ignore[arg-type]

    def coming(self) -> Iterator[tuple[str, Coming]]:
        """Everybody, each kind in bursts of forty a second, all kinds over the same two hours."""
        made = 0
        for kind, (make, _) in self.kinds.items():
            for n in range(min(self.each, self._fake - made)):
                burst = n // 120
                starts_ms = NOW_MS + 20 * MINUTE_MS + burst * 10 * MINUTE_MS + n % 120 * 25
                yield kind, (starts_ms, make(n))
            made += self.each


def real_guest(n: int, of: int) -> Guest:
    """Two of a network at most, with browsers as many people have."""
    inviter = f"friend-{n % (of // ARRIVALS_OF_EACH)}"
    user = "" if n % 3 else f"member-{n}"
    return Guest(
        f"real-{n}",
        inviter,
        channel=("copy", "poster", "sms")[n % 3],
        device=f"d-real-{n}",
        user=user,
        net=net(200_000 + n // 2),
        agent=f"browser-{n % 40}",
        stay_ms=61_000 + n % 7 * 10_000,
        acts_after_ms=2_000 + n % 50 * 1_000,
    )


def at_home(n: int) -> Guest:
    """An inviter's own visit, from where the private windows are opened later."""
    user = f"farm-window-{n}"
    return Guest(f"before-{user}", inviter="", user=user, net=net(5_000 + n), agent="at home")


def visited_before(each: int) -> Iterator[Coming]:
    """Old customers, who came by themselves before; and self-inviters, each in the own browser."""
    for n in range(each):
        user, device = f"old-{n}" if n % 2 else "", f"d-old-{n}"
        yield NOW_MS + n, Guest(f"before-{n}", inviter="", user=user, device=device, net=net(n))
    yield NOW_MS, Guest("before-self", inviter="", user="farm-self", device="d-farm-self")
    for n in range(-(-each // 2)):
        yield NOW_MS + n, at_home(n)


def in_order(coming: Iterable[Coming]) -> list[Piece]:
    pieces = [piece for at_ms, guest in coming for piece in guest.pieces(at_ms)]
    return sorted(pieces, key=lambda piece: piece.received_at_ms)


async def ban(database: Database) -> None:
    rows = [
        {
            "room_id": ROOM,
            "user_id": f"banned-{n}",
            "kind": "ban",
            "until_ms": None,
            "reason": "bot",
        }
        for n in range(50)
    ]
    await database.run(lambda connection: connection.execute(sa.insert(sanctions), rows))


async def play(town: Town, pieces: list[Piece]) -> Counter[Verdict]:
    """Write everything in batches; after each, judge what has become due by then."""
    store = VisitStore(town.database, beat_gap_ms=BEAT_GAP_MS)
    follow = [Bindings(30, 90).follow, Arrivals(IDLE_S).follow]
    verdicts: Counter[Verdict] = Counter()
    for start in range(0, len(pieces), PIECES_AT_ONCE):
        batch = pieces[start : start + PIECES_AT_ONCE]
        await store.write(batch, follow)
        town.now_ms = batch[-1].received_at_ms
        verdicts += await judge_all(town)
    town.now_ms += 1_000_000
    return verdicts + await judge_all(town)


async def judge_all(town: Town) -> Counter[Verdict]:
    verdicts: Counter[Verdict] = Counter()
    while (judged := await town.judge(after_ms=0, limit=JUDGED_AT_ONCE)).arrivals:
        verdicts += judged.verdicts
    return verdicts


def table(by_kind: dict[str, Counter[Verdict]], granted: Counter[str], spent_s: float) -> str:
    """The figures as people read them."""
    lines = [f"{'arrivals':<28}{'came':>8}{'valid':>8}{'granted':>9}  verdicts"]
    for kind, verdicts in by_kind.items():
        reasons = ", ".join(f"{verdict} {count}" for verdict, count in sorted(verdicts.items()))
        lines.append(
            f"{kind:<28}{verdicts.total():>8}{verdicts[Verdict.VALID]:>8}"
            f"{granted[kind]:>9}  {reasons}"
        )
    total = sum((one.total() for one in by_kind.values()), 0)
    lines.append(f"{total} arrivals written and judged in {spent_s:.1f} s")
    return "\n".join(lines)


async def sorted_by_kind(
    town: Town, fakes: list[tuple[str, Coming]], reals: list[Coming]
) -> dict[str, Counter[Verdict]]:
    found = await town.verdicts()
    by_kind: dict[str, Counter[Verdict]] = {}
    for kind, (_, guest) in fakes:
        by_kind.setdefault(kind, Counter())[found[guest.name]] += 1
    by_kind["real people"] = Counter(found[guest.name] for _, guest in reals)
    return by_kind


def granted_to(grants: list[Grant], fakes: list[tuple[str, Coming]]) -> Counter[str]:
    """By kind of arrivals, the rewards of those who invited them; friends are no farmers."""
    farmers = {guest.inviter: kind for kind, (_, guest) in fakes}
    farmers = {user: kind for user, kind in farmers.items() if not user.startswith("friend-")}
    given = (grant for grant in grants if grant.state is not GrantState.MISSED)
    return Counter(farmers.get(grant.user, "real people") for grant in given)


def keep(engine: str, report: str) -> None:
    """Print the figures, and keep them among the artifacts of the run."""
    print(f"\n{report}")
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"farm-{engine}.txt").write_text(report + "\n", "utf-8")


async def test_a_farm_of_ten_thousand_is_granted_nothing_and_every_real_arrival_counts(
    database: Database,
) -> None:
    size = 1 if database.is_sqlite else SMALLER_ON_POSTGRESQL
    fake, real = FAKE // size, REAL // size // ARRIVALS_OF_EACH * ARRIVALS_OF_EACH
    town, farm = Town(database), Farm(fake, real)
    await town.furnish(LADDER)
    await ban(database)
    fakes = list(farm.coming())
    reals = [(NOW_MS + MINUTE_MS + n * HOURS_MS // real, real_guest(n, real)) for n in range(real)]
    # A repetition comes after the one it repeats has counted.
    late = "repeats of counted people"
    comings = [(at_ms + HOURS_MS * (kind == late), guest) for kind, (at_ms, guest) in fakes]
    pieces = in_order([*visited_before(farm.each), *comings, *reals])
    began_s = time.monotonic()
    judged = await play(town, pieces)
    spent_s = time.monotonic() - began_s

    by_kind = await sorted_by_kind(town, fakes, reals)
    grants = await town.rewards.grants(LADDER.id, None, 10_000)
    report = table(by_kind, granted_to(grants, fakes), spent_s)
    keep("sqlite" if database.is_sqlite else "postgresql", report)

    assert len(fakes) == fake
    assert judged.total() == fake + real
    for kind, (_, expected) in farm.kinds.items():
        assert set(by_kind[kind]) == expected, report
    assert by_kind["real people"] == {Verdict.VALID: real}, report
    friends = {f"friend-{n}" for n in range(real // ARRIVALS_OF_EACH)}
    assert {grant.user for grant in grants} == friends
    first_tier = [grant for grant in grants if grant.tier == 1]
    assert {grant.state for grant in first_tier} == {GrantState.GRANTED}
    assert len(first_tier) == len(friends)
