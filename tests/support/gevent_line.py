"""A connection of the rehearsal's crowd, alone in a process: `python -m ... URL`.

Joins room `r` and asks, within a second each time, until it is answered `done` or told to stay
away. Prints a JSON line for each connecting, event and question.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402

from loadtest.rehearsal.users.client import Door, Line, NoAnswer  # noqa: E402
from loadtest.rehearsal.users.clock import now_us  # noqa: E402


class Counter:
    sockets = 0

    def failed(self, greenlet: object, /) -> None:
        say("failed", str(greenlet))


def say(*words: object) -> None:
    print(json.dumps(words), flush=True)


def main(url: str) -> None:
    counter = Counter()
    line = Line(
        Door(url, "a token", "r"),
        sockets=counter,
        told=lambda name, _intended, _begun, _done, outcome: say(name, outcome),
        hears=lambda event, _at_us: say("event", event["n"]),
    )
    line.start(now_us())
    answer: object = None
    while answer != "done" and not line.over:
        try:
            asked = line.ask("question", b"{}", 1.0)
            code, result = asked.read()
            answer = result.get("a")
            say("answer", code, answer, asked.digest)
        except NoAnswer:
            say("no answer")
            gevent.sleep(0.05)
    line.close()
    gevent.sleep(0)
    say("sockets", counter.sockets)


if __name__ == "__main__":
    main(sys.argv[1])
