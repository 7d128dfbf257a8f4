"""How far the server's clock is from this one, from a few short questions.

The answer that was fastest is used: its time on the way is the smallest, and half of it the most
that the figure can be wrong.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import websocket

ROUNDS: Final = 15
WITHIN_S: Final = 10.0
_READ_MAX: Final = 1_000  # messages to look through for one answer


@dataclass(frozen=True, slots=True)
class Skew:
    """`skew_ms` is the server's clock less this one; right within half of `round_trip_ms`."""

    skew_ms: float
    round_trip_ms: float


def best(questions: Iterable[tuple[float, float, float]]) -> Skew:
    """Of (asked, server's time, answered), all in milliseconds, what the fastest one says."""
    asked, told, answered = min(questions, key=lambda one: one[2] - one[0])
    return Skew(told - (asked + answered) / 2, answered - asked)


def measure(websocket_url: str, token: str) -> Skew:
    """Ask the server by `time.now`. Raises `OSError` or `websocket.WebSocketException`."""
    line = websocket.create_connection(websocket_url, timeout=WITHIN_S)
    try:
        _answer(line, 1, {"connect": {"token": token}})
        return best(_asked(line, number) for number in range(2, 2 + ROUNDS))
    finally:
        line.close()


def _asked(line: websocket.WebSocket, number: int) -> tuple[float, float, float]:
    asked = time.time() * 1000
    answer = _answer(line, number, {"rpc": {"method": "time.now", "data": {}}})
    return asked, float(answer["rpc"]["data"]["now_ms"]), time.time() * 1000


def _answer(
    line: websocket.WebSocket, number: int, command: dict[str, object]
) -> dict[str, dict[str, dict[str, float]]]:
    line.send(json.dumps({"id": number, **command}))
    for _ in range(_READ_MAX):
        for text in str(line.recv()).splitlines():
            value = json.loads(text)
            if value.get("id") == number:
                if "error" in value:
                    raise OSError(f"the server answered: {value['error']}")
                found: dict[str, dict[str, dict[str, float]]] = value
                return found
            if value == {}:
                line.send("{}")
    raise OSError("the server does not answer")
