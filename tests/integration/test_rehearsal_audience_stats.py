"""What Locust is told of the audience: each second once, rows as the audience shows itself.

Locust patches the standard library for gevent when it is imported: so what is tested runs in a
process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.processes import REPOSITORY

PROGRAM = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import gevent
from flask import Flask, jsonify
from loadtest.rehearsal import audience_stats
from loadtest.rehearsal.records import write_json

directory = Path(sys.argv[1])
told = []
fire = SimpleNamespace(fire=lambda **event: told.append(event))
app = Flask("page")
page = SimpleNamespace(app=app, template_args={"extended_tabs": [{"key": "other"}]})
environment = SimpleNamespace(events=SimpleNamespace(request=fire), web_ui=page)

@app.route("/stats/requests")
def stats():
    return jsonify({"stats": []})

audience_stats.LOOK_S = 0
audience_stats.follow(environment, directory)

@app.after_request
def other(response):
    response.set_data(json.dumps({**response.json, "extended_stats": [{"key": "other"}]}))
    return response

def second(number, **what):
    return {"number": number, "pushes": {}, "connects": [], "refused": [], **what}

first = second(1, pushes={"comment": [1.5, 2.5]}, connects=[7.0])
live = {"who": "audience-1", "viewers": 3, "heard": {"missing": 4}, "seconds": [first]}
write_json(directory / "audience-1.live.json", live)
(directory / "audience-2.live.json").write_text("half a li")
while len(told) < 3:
    gevent.sleep(0)
live["seconds"].append(second(2, refused=["error 503"]))
write_json(directory / "audience-1.live.json", live)
while len(told) < 4:
    gevent.sleep(0)
answer = app.test_client().get("/stats/requests").json
print(json.dumps({
    "told": [[e["request_type"], e["name"], e["response_time"], str(e["exception"])] for e in told],
    "tabs": [tab["key"] for tab in page.template_args["extended_tabs"]],
    "stats": answer["extended_stats"],
}))
"""


def test_every_second_of_an_audience_is_told_once_and_its_row_stands_beside_other_tabs(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["told"] == [
        ["WSR", "comment (audience)", 1.5, "None"],
        ["WSR", "comment (audience)", 2.5, "None"],
        ["WS", "connect (audience)", 7.0, "None"],
        ["WS", "connect (audience)", 0.0, "error 503"],
    ]
    assert shown["tabs"] == ["other", "rehearsal-audience"]
    other, own = shown["stats"]
    assert other == {"key": "other"}
    (row,) = own["data"]
    assert (row["who"], row["viewers"], row["missing"], row["slow"]) == ("audience-1", 3, 4, "")
