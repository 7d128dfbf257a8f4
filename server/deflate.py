"""permessage-deflate (RFC 7692) only where it can be shared: no context takeover, both ways."""

from __future__ import annotations

from collections.abc import Sequence

from websockets.exceptions import NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.typing import ExtensionParameter

from server.codec.wire_frames import WINDOW_BITS


class SharedDeflateFactory(ServerPerMessageDeflateFactory):
    """Accepts an offer only if one compressed frame can serve everybody who accepted it.

    Section 7.1.1 lets a server answer with both no_context_takeover parameters whatever the
    client offered. An offer whose window is smaller than the shared compressor's is declined.
    """

    def __init__(self) -> None:
        super().__init__(server_no_context_takeover=True, client_no_context_takeover=True)

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        answer, extension = super().process_request_params(params, accepted_extensions)
        if extension.local_max_window_bits < WINDOW_BITS:
            raise NegotiationError(f"server_max_window_bits below {WINDOW_BITS}")
        return answer, extension


DEFLATE_FACTORIES = [SharedDeflateFactory()]
