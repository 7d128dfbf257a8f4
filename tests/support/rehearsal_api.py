"""Words and values that the tests of the routes of rehearsals share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient

Bearer = Callable[..., AsgiClient]
RUN = "rh-00000001"
OTHER = "rh-00000002"
ALL = "/api/v1/rehearsals"
HERE = f"{ALL}/{RUN}"
PROGRESS: dict[str, Any] = {"phase": "spike", "at_ms": NOW_MS, "viewers": 900, "sold": {"tea": 3}}
FINDINGS: dict[str, Any] = {
    "verdict": "no_go",
    "sentence": {"key": "no_go_books", "values": {"units": 2}},
    "sentences": {"en": "NO-GO: 2 too many.", "zh-CN": "NO-GO：超卖 2 件。"},
    "spike": {"seconds": [1, 2, 3]},
}
