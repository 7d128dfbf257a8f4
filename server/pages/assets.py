"""Static files, read once into memory and served with lasting cache addresses.

`/static/v-<hash>/viewer.js` may be kept for ever, `/static/viewer.js` is revalidated by ETag.
The hash covers all files, so modules that import each other by relative address always match.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
CACHE_FOR_EVER = "public, max-age=31536000, immutable"
CACHE_AND_ASK = "no-cache"
_VERSIONED = re.compile(r"v-(?P<version>[0-9a-f]{12})/(?P<path>.+)\Z")
_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_GZIP_BYTES_MIN = 512


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to send."""

    body: bytes
    packed: bytes | None
    media_type: str
    etag: str


def make_asset(body: bytes, name: str) -> Asset:
    """An asset of these bytes; the type follows from the name's ending."""
    media_type = _MEDIA_TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
    packed = gzip.compress(body, mtime=0) if len(body) >= _GZIP_BYTES_MIN else None
    return Asset(
        body=body,
        packed=packed,
        media_type=media_type or "application/octet-stream",
        etag=f'"{hashlib.sha256(body).hexdigest()[:16]}"',
    )


def send_asset(request: Request, asset: Asset, cache: str) -> Response:
    """Answer with the asset, packed when the client takes gzip, or 304 when it has it already."""
    headers = {"cache-control": cache, "etag": asset.etag, "vary": "Accept-Encoding"}
    headers["x-content-type-options"] = "nosniff"
    headers["access-control-allow-origin"] = "*"  # modules of other sites' pages; all is public
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.packed
        headers["content-encoding"] = "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


class Assets:
    """All files under a folder by relative path."""

    def __init__(self, folder: Path = STATIC) -> None:
        self.files: Mapping[str, Asset] = {
            path.relative_to(folder).as_posix(): make_asset(path.read_bytes(), path.name)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(f"{name}\n{asset.etag}\n".encode())
        self.version = digest.hexdigest()[:12]

    def url(self, path: str) -> str:
        """The lasting address of a file; `KeyError` if there is none, at start, not in a page."""
        if path not in self.files:
            raise KeyError(path)
        return f"/static/v-{self.version}/{path}"

    def serve(self, request: Request, path: str) -> Response | None:
        """Answer a request below `/static/`, or None when there is no such file."""
        versioned = _VERSIONED.match(path)
        current = versioned is not None and versioned["version"] == self.version
        asset = self.files.get(versioned["path"] if versioned else path)
        if asset is None:
            return None
        # Another version's address: a page from before or after a deployment. It gets what we
        # have, but nobody may keep it under that name.
        return send_asset(request, asset, CACHE_FOR_EVER if current else CACHE_AND_ASK)
