"""Who is ahead on a ladder: more valid arrivals, then who was there earlier, then a fixed lot."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Climber:
    """How far an inviter has come. `reached_at_ms`: when the last of `valid` had qualified."""

    user: str
    valid: int
    reached_at_ms: int
    name: str = ""


def lot(ladder: str, user: str) -> str:
    """What decides between equals: 16 hexadecimal digits that nobody can choose or foresee less
    than anybody else; the same at any time, and another one in each ladder."""
    return blake2b(f"{ladder}\0{user}".encode(), digest_size=8, person=b"onair lot").hexdigest()


def place(ladder: str, climber: Climber) -> tuple[int, int, str]:
    """Sorts climbers of one ladder, the first one first; no two places are the same."""
    return -climber.valid, climber.reached_at_ms, lot(ladder, climber.user)
