"""How the parts of a rehearsal call an API: answers, refusals, and a server that is not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from loadtest.rehearsal.http import Api, ApiError


class Door(BaseHTTPRequestHandler):
    """Tells what it was asked for; `/refused` in the shape of the API's errors."""

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        told = {
            "method": self.command,
            "path": self.path,
            "key": self.headers.get("X-API-Key"),
            "kind": self.headers.get("Content-Type"),
            "body": self.rfile.read(size).decode(),
        }
        answers = {
            "/refused": (409, json.dumps({"error": {"code": 409, "message": "it is taken"}})),
            "/broken": (502, "<html>bad\ngateway</html>"),
            "/nothing": (204, ""),
            "/text": (200, "a,b\r\n"),
        }
        status, text = answers.get(self.path, (200, json.dumps(told)))
        self.send_response(status)
        self.send_header("X-Onair-Rehearsal", "rh-00000000")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Api(f"http://127.0.0.1:{server.server_port}/", "the key")
        server.shutdown()
        thread.join()


def test_a_call_sends_json_with_the_key_and_gives_the_json_of_the_answer(api: Api) -> None:
    told = api.call("POST", "/api/v1/x", {"name": "手工"})
    assert told["path"] == "/api/v1/x"
    assert (told["key"], told["kind"]) == ("the key", "application/json")
    assert json.loads(told["body"]) == {"name": "手工"}
    assert api.call("GET", "/api/v1/x")["body"] == ""
    assert api.call("GET", "/nothing") is None


def test_bytes_go_out_as_they_are_with_headers_of_their_own(api: Api) -> None:
    answer = api.send("POST", "/x", b"raw", "text/html", headers={"X-API-Key": "another"})
    told = json.loads(answer.body)
    assert (told["body"], told["kind"], told["key"]) == ("raw", "text/html", "another")
    assert answer.headers["x-onair-rehearsal"] == "rh-00000000"


def test_a_text_is_given_as_it_is(api: Api) -> None:
    assert api.text("/text") == "a,b\r\n"
    with pytest.raises(ApiError, match="the answer is not JSON"):
        api.call("GET", "/text")


def test_a_refusal_tells_the_status_and_what_the_server_says(api: Api) -> None:
    with pytest.raises(ApiError, match="POST /refused: 409 it is taken") as caught:
        api.call("POST", "/refused", {})
    assert caught.value.status == 409
    with pytest.raises(ApiError, match="502 <html>bad gateway</html>"):
        api.call("GET", "/broken")


def test_a_server_that_is_not_there_is_named_and_has_no_status(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(ApiError, match=f"{url}/x cannot be reached: .*refused") as caught:
        Api(url).call("GET", "/x")
    assert caught.value.status == 0


def test_what_is_no_address_is_refused_in_the_same_way() -> None:
    with pytest.raises(ApiError, match="cannot be reached"):
        Api("nowhere").call("GET", "/x")
