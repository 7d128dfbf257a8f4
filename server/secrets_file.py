"""The secrets that the demo makes for itself and keeps in its data directory.

`onair serve` never makes any: whoever runs a shop chooses them.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from server.settings import BadSetting

FILE_NAME = "secrets.json"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secrets:
    """What signs tokens, and what server-to-server calls carry."""

    token_secret: str
    api_key: str


def read(data_dir: Path) -> Secrets | None:
    """The kept secrets; None if there are none. `BadSetting` if the file cannot be trusted."""
    path = data_dir / FILE_NAME
    try:
        if path.stat().st_mode & 0o077:
            raise BadSetting("ONAIR_DATA_DIR", f"{path} is open to others: chmod 600 it")
        kept = json.loads(path.read_text())
        found = Secrets(**kept)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise BadSetting("ONAIR_DATA_DIR", f"{path} cannot be read: {error}") from None
    if not all(isinstance(secret, str) and secret for secret in asdict(found).values()):
        raise BadSetting("ONAIR_DATA_DIR", f"{path} does not hold two secrets")
    return found


def read_or_make(data_dir: Path) -> Secrets:
    """The kept secrets, made and stored first if there are none. Hold the directory's lock."""
    found = read(data_dir)
    if found is not None:
        return found
    made = Secrets(secrets.token_urlsafe(SECRET_BYTES), secrets.token_urlsafe(SECRET_BYTES))
    draft = data_dir / f"{FILE_NAME}.new"
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(made), file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(data_dir / FILE_NAME)
    except OSError as error:
        raise BadSetting("ONAIR_DATA_DIR", f"cannot write {draft}: {error.strerror}") from None
    return made


def with_kept(environ: dict[str, str], kept: Secrets | None) -> dict[str, str]:
    """The environment, with the kept secrets where it names none of its own."""
    if kept is None:
        return environ
    defaults = {"ONAIR_TOKEN_SECRET": kept.token_secret, "ONAIR_API_KEY": kept.api_key}
    return defaults | environ
