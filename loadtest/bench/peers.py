"""The other servers of a run, each in the form that serves an audience best. Starts and finds them.

naive and broadcast are ours to read (`naive_peer.py`, `broadcast_peer.py`); nginx with nchan,
nats-server and Bun are used where they are present, and how to get them is said where not.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from loadtest.bench import processes
from loadtest.bench.launch import (
    ROOM,
    Contender,
    await_greeting,
    await_http,
    free_port,
    process,
    workers,
)
from loadtest.bench.processes import Cores
from loadtest.dialects import Nats, Plain, Silent

BUN_VERSION = "1.4.5"  # of the npm package, about 100 MB
BUN_HOME = Path(__file__).parents[2] / ".artifacts/bench/bun"
BUN_SCRIPT = Path(__file__).with_name("bun_peer.js")
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {home}/nginx.pid;
error_log stderr error;
load_module {module};
events {{ worker_connections {files}; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  scgi_temp_path {home}/scgi;
  uwsgi_temp_path {home}/uwsgi;
  keepalive_requests 1000000000;
  nchan_message_buffer_length 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = / {{
      nchan_subscriber websocket;
      nchan_channel_id {room};
      nchan_subscriber_first_message newest;
    }}
    location = /publish {{ nchan_publisher; nchan_channel_id {room}; }}
    location = /readyz {{ nchan_stub_status; }}
  }}
}}
"""

NATS = """
host: 127.0.0.1
port: {publish_port}
websocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}
"""

Starter = Callable[[Cores], AbstractContextManager[Contender]]


def absent(name: str) -> str:
    """How to get a peer that is not on this machine; empty if it is here."""
    if name == "nchan" and not (_program("nginx") and NCHAN_MODULE.exists()):
        return "apt-get install nginx libnginx-mod-nchan"
    if name == "nats" and not _program("nats-server"):
        return "apt-get install nats-server"
    if name == "bun" and _bun() is None:
        return f"npm install --prefix {BUN_HOME} --no-save bun@{BUN_VERSION}, or --get-peers"
    return ""


def get_bun() -> str:
    """Install Bun by npm where the benchmarks look for it; what came of it, in one line."""
    npm = shutil.which("npm")
    if _bun() is not None or npm is None:
        return "" if npm else "npm is not here to install bun with"
    BUN_HOME.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(BUN_HOME), "--no-save", f"bun@{BUN_VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or _bun() is None:
        return f"bun@{BUN_VERSION} did not come by npm: {done.stderr.strip()[-300:]}"
    return f"installed bun@{BUN_VERSION} by npm in {BUN_HOME}"


@contextmanager
def _naive(cores: Cores) -> Iterator[Contender]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "loadtest.bench.naive_peer:app"]
    command += ["--port", str(port), "--loop", "uvloop", "--log-level", "warning"]
    with _python(cores, "naive", [*command, "--no-access-log"], port, port) as contender:
        yield contender


@contextmanager
def _broadcast(cores: Cores) -> Iterator[Contender]:
    port, publish_port = free_port(), free_port()
    command = [sys.executable, "-m", "loadtest.bench.broadcast_peer", str(port), str(publish_port)]
    with _python(cores, "broadcast", command, port, publish_port) as contender:
        yield contender


@contextmanager
def _python(
    cores: Cores, name: str, command: list[str], port: int, publish_port: int
) -> Iterator[Contender]:
    with process(name, command, os.environ, cores.web) as started:
        await_http(started, f"http://127.0.0.1:{publish_port}/readyz")
        web = (started[0].pid,)
        yield Contender(name, Plain(), port, publish_port, "/publish", (), (), web, gathers=False)


@contextmanager
def _nchan(cores: Cores) -> Iterator[Contender]:
    """nginx with one worker; nchan keeps no message, as nobody here asks for an old one."""
    port, program = free_port(), _program("nginx")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="onair-bench-nginx-") as home:
        files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        text = NGINX.format(home=home, port=port, room=ROOM, module=NCHAN_MODULE, files=files)
        command = [program, "-p", home, "-c", _written(home, text)]
        with process("nchan", command, os.environ, cores.web) as started:
            status = await_http(started, f"http://127.0.0.1:{port}/readyz")
            nchan = status.rpartition(":")[2].strip()
            version = f"{_says(program, '-v').rpartition(': ')[2]}, nchan {nchan}"
            web = workers(processes.family(started[0].pid), port)
            yield Contender(
                "nchan",
                Silent(),
                port,
                port,
                "/publish",
                (),
                (),
                web,
                is_bare=True,
                gathers=False,
                version=version,
            )


@contextmanager
def _nats(cores: Cores) -> Iterator[Contender]:
    """nats-server by its defaults, with a listener for WebSockets; core publish and subscribe."""
    port, publish_port, program = free_port(), free_port(), _program("nats-server")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="onair-bench-nats-") as home:
        command = [program, "-c", _written(home, NATS.format(port=port, publish_port=publish_port))]
        with process("nats", command, os.environ, cores.web) as started:
            await_greeting(started, publish_port)
            yield Contender(
                "nats",
                Nats(ROOM),
                port,
                publish_port,
                ROOM,
                (),
                (),
                (started[0].pid,),
                is_bare=True,
                published_by="nats",
                version=_says(program, "--version"),
            )


@contextmanager
def _bun_serve(cores: Cores) -> Iterator[Contender]:
    port, program = free_port(), _bun()
    assert program is not None
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    command = [program, "run", str(BUN_SCRIPT), str(port), ROOM]
    with process("bun", command, environment, cores.web) as started:
        await_http(started, f"http://127.0.0.1:{port}/readyz")
        yield Contender(
            "bun",
            Plain(),
            port,
            port,
            "/publish",
            (),
            (),
            (started[0].pid,),
            is_bare=True,
            version=f"bun {_says(program, '--version')}",
        )


STARTERS: dict[str, Starter] = {
    "naive": _naive,
    "broadcast": _broadcast,
    "nchan": _nchan,
    "nats": _nats,
    "bun": _bun_serve,
}


def _program(name: str) -> str | None:
    """Debian keeps servers where a user's PATH does not lead."""
    return shutil.which(name, path=SBIN)


def _bun() -> str | None:
    ours = BUN_HOME / "node_modules/.bin/bun"
    return str(ours) if ours.exists() else shutil.which("bun")


def _written(home: str, text: str) -> str:
    path = Path(home, "server.conf")
    path.write_text(text)
    return str(path)


def _says(program: str, option: str) -> str:
    """The one line a program answers with, on whichever stream."""
    done = subprocess.run([program, option], capture_output=True, text=True, timeout=20)
    return (done.stdout + done.stderr).strip()
