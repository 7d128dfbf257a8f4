"""What a figure depends on: machine, versions, commit. Read once per run."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("uvicorn", "uvloop", "starlette", "fastapi", "websockets", "orjson", "redis")


def fingerprint() -> dict[str, Any]:
    """Everything needed to say where and from what a run's figures came."""
    return {
        "cpu": cpu_model(_cpuinfo()),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "redis": "none started",
        "peers": {},  # those started, by what their programs say of themselves
        "commit": _commit(),
        "load_average": os.getloadavg()[0],
        "open_files_max": _open_files_max(),
    }


def cpu_model(cpuinfo: str) -> str:
    """The first processor's model name, or the architecture if the kernel does not tell."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def redis_version(pid: int) -> str:
    """What the program of a running Redis says of itself."""
    try:
        program = os.readlink(f"/proc/{pid}/exe")
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10)
    except OSError as error:
        return f"unknown: {error}"
    return answer.stdout.strip()


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def _commit() -> str:
    """The checked-out commit, with a star if the tree differs from it."""
    git = shutil.which("git")
    if git is None:
        return "no git"
    root = Path(__file__).parents[2]
    head = subprocess.run(
        [git, "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True
    )
    if head.returncode:
        return "no repository"
    changes = subprocess.run(
        [git, "status", "--porcelain"], cwd=root, capture_output=True, text=True
    )
    return head.stdout.strip() + ("*" if changes.stdout else "")


def _open_files_max() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _cpuinfo() -> str:
    """What Linux says of its processors; elsewhere nothing."""
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
