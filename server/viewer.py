"""A detached connection: its socket, who it speaks for, and how far behind its reader is.

Inbound bytes go through the sans-I/O core of `websockets` to the gateway by callback, but for
what is one small frame by itself, which needs no search; outbound frames are finished elsewhere
and go straight to the transport. A viewer has no task, no queue and no timer of its own, and knows
nothing of rooms' contents.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from websockets.frames import Opcode
from websockets.protocol import OPEN, Protocol

from rooms.frame import Frame
from rooms.model import GUEST, Identity, UserId
from server.codec import Codec, Command
from server.codec.wire_frames import codec_of, ping_frame, text_frame
from server.replies import Close, Closing
from server.sharing.open_visit import NOWHERE, OpenVisits, Origin
from server.whole_frames import End, ends_with_a_frame, whole_text, whole_texts

if TYPE_CHECKING:
    from server.gateway import Gateway
    from server.live_room import LiveRoom
    from server.people import Person

_LOG = logging.getLogger("onair.viewer")
_PING_FRAME = ping_frame()
_INVALID_UTF8 = 1007


class Viewer(asyncio.Protocol):
    """One connection. Everything it is asked to send is written now or not at all."""

    __slots__ = (
        "at_frame_start",
        "awaiting_pong",
        "backlog",
        "client_id",
        "closing",
        "closing_bytes",
        "commands_due_s",
        "encoding",
        "errors_due_s",
        "fragments",
        "gateway",
        "identity",
        "ignoring",
        "likes_due_s",
        "native_ping",
        "origin",
        "person",
        "resting",
        "rooms",
        "slot",
        "soon",
        "stream",
        "subscription_expiry_s",
        "transport",
        "unread",
        "user_id",
        "visits",
        "waits",
    )

    def __init__(
        self,
        gateway: Gateway,
        transport: asyncio.Transport,
        stream: Protocol,
        encoding: int,
        origin: Origin = NOWHERE,
        *,
        native_ping: bool,
    ) -> None:
        self.gateway = gateway
        self.transport = transport
        self.stream = stream
        self.encoding = encoding
        self.native_ping = native_ping
        self.identity: Identity = GUEST
        self.user_id: UserId = GUEST.user_id
        self.client_id = ""  # empty until the connect command
        self.rooms: tuple[LiveRoom, ...] = ()
        self.person: Person | None = None  # of whom this is a connection, if signed in
        self.backlog: deque[Command] | None = None  # commands that are not handled yet
        self.waits = False  # the one before them waits for somebody else
        self.resting = False  # its next turn is on its way
        self.unread = b""  # what was read and not parsed
        self.closing_bytes = 0  # read since this side closed
        self.fragments: bytearray | None = None
        self.at_frame_start = True  # the next byte begins a frame, as far as is known
        self.subscription_expiry_s: dict[str, int] | None = None
        self.closing = False
        self.ignoring = False  # its connect command was refused
        self.awaiting_pong = False
        self.commands_due_s = 0.0
        self.likes_due_s = 0.0
        self.errors_due_s = 0.0
        self.slot = -1
        self.origin = origin
        self.visits = OpenVisits()
        self.soon: list[bytes] | None = None  # messages that wait for others, for a moment

    @property
    def codec(self) -> Codec:
        return codec_of(self.encoding)

    # outbound

    def offer(self, frame: Frame) -> bool:
        """Write a finished frame now, never wait or queue. False: the reader is at its bound.

        Above the lower bound the pulse is left out; everything else is still written.
        """
        if self.closing:
            return True
        behind_bytes = self.transport.get_write_buffer_size()
        if behind_bytes == 0:
            wire = frame.whole[self.encoding]
        else:
            limits = self.gateway.limits
            if behind_bytes >= limits.viewer_buffer_bytes_max:
                return False
            late = behind_bytes >= limits.pulse_skip_bytes
            wire = (frame.lasting if late else frame.whole)[self.encoding]
        if wire:
            self.transport.write(wire)
        return True

    def send(self, messages: list[bytes]) -> None:
        """Write messages of this connection alone, as one frame, after those that waited."""
        if self.soon is not None:
            messages, self.soon = self.soon + messages, None
        if self.closing or not messages:
            return
        if self.transport.get_write_buffer_size() >= self.gateway.limits.viewer_buffer_bytes_max:
            self.close(Closing.SLOW)
            return
        self.transport.write(text_frame(self.codec.join(messages)))

    def close(self, close: Close) -> None:
        """Say why and hang up; the peer's answer or a deadline ends the socket."""
        if self.closing:
            return
        self.closing = True
        self.gateway.counts.closed[close.code] += 1
        self.gateway.departed(self)
        if self.stream.state is OPEN:
            self.stream.send_close(close.code, close.reason)
        self._flush_stream()
        self.gateway.wheel.closing(self)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def failed(self) -> None:
        """To be called in an `except`: the connection closes, the log has the trace of the bug."""
        _LOG.exception("a bug closed connection %s", self.client_id)
        self.close(Closing.INTERNAL_ERROR)

    # the wheel

    def ping(self) -> None:
        self.check_pong()  # of the last ping, if a stall left that open
        self.gateway.ping_due(self)
        if self.closing:
            return
        self.awaiting_pong = True
        if self.native_ping:
            self.transport.write(_PING_FRAME)
        else:
            self.transport.write(text_frame(self.codec.ping))

    def check_pong(self) -> None:
        if self.awaiting_pong:
            self.close(Closing.NO_PONG)

    def connect_overdue(self) -> None:
        self.close(Closing.STALE)

    def abort(self) -> None:
        self.transport.abort()

    # inbound

    def data_received(self, data: bytes) -> None:
        if self.unread:
            data, self.unread = self.unread + data, b""
        if self.resting:
            self.unread = data
            return
        self._take(data)

    def read_on(self) -> None:
        """A turn: take what was read before, and read the socket again when there is no more."""
        if self.unread:
            data, self.unread = self.unread, b""
            self._take(data)
        if self.resting or self.transport.is_closing():
            return
        if self.closing or not self.gateway.inbound.is_behind(self):
            self.transport.resume_reading()

    def _take(self, data: bytes) -> None:
        """Parse as much as a turn allows, and keep the rest."""
        if self.at_frame_start and self.fragments is None and not self.closing:
            message = whole_text(data)
            limits = self.gateway.limits
            if message is not None and len(message) <= limits.message_bytes_max:
                self._messages([message])
                return
            most = limits.commands_per_turn
            messages, taken, end = whole_texts(data, most, limits.message_bytes_max)
            if messages:
                self._messages(messages)
            data = data[taken:]
            if end is not End.OTHER and not self.closing:
                self.unread = data
                if end is End.MORE and not self.gateway.inbound.is_behind(self):
                    self.gateway.inbound.rest(self)
                return
        if data:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Give bytes to the full parser, at most a turn's."""
        most = self.gateway.limits.turn_bytes_max
        if len(data) <= most:
            if self.at_frame_start:
                self.at_frame_start = ends_with_a_frame(data)
        else:
            self.at_frame_start = False
            data, self.unread = data[:most], data[most:]
        if self.closing:
            self.closing_bytes += len(data)
            if self.closing_bytes > self.gateway.limits.closing_bytes_max:
                self.unread = b""
                self.transport.abort()
                return
        self._feed(data)
        if self.unread and not self.gateway.inbound.is_behind(self):
            self.gateway.inbound.rest(self)

    def _feed(self, data: bytes) -> None:
        stream = self.stream
        stream.receive_data(data)
        try:
            for frame in stream.events_received():
                if self.closing:
                    self._closing_frame(frame.opcode)  # type: ignore[union-attr]
                else:
                    self._frame(frame.opcode, bytes(frame.data), frame.fin)  # type: ignore[union-attr]
        except Exception:
            self.failed()
        if stream.parser_exc is not None and not self.closing:
            self._broken()
        elif stream.writes:
            self._answer_pings()

    def _frame(self, opcode: Opcode, data: bytes, fin: bool) -> None:
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if fin:
                self._messages([data])
            else:
                self.fragments = bytearray(data)
        elif opcode is Opcode.CONT:
            assert self.fragments is not None
            self.fragments += data
            if fin:
                message, self.fragments = bytes(self.fragments), None
                self._messages([message])
        elif opcode is Opcode.PONG:
            if self.native_ping:
                self.awaiting_pong = False
        elif opcode is Opcode.CLOSE:
            self._peer_closed()

    def _messages(self, messages: list[bytes]) -> None:
        if self.closing:
            return
        try:
            self.gateway.inbound.received(self, messages)
        except UnicodeDecodeError:
            self.stream.fail(_INVALID_UTF8, "invalid UTF-8")
            self._broken()
        except Exception:
            self.failed()
        behind = self.backlog is not None and self.gateway.inbound.is_behind(self)
        if behind and not self.closing and not self.transport.is_closing():
            self.transport.pause_reading()  # until what it waits for is there

    def _closing_frame(self, opcode: Opcode) -> None:
        """The peer answered our close: hang up."""
        if opcode is Opcode.CLOSE:
            self.transport.close()

    def _peer_closed(self) -> None:
        self.closing = True
        self.gateway.departed(self)
        self._flush_stream()
        self.transport.close()

    def _broken(self) -> None:
        """The peer broke the WebSocket protocol; its core chose the close code (RFC 6455 7.1.7).

        Reading goes on, into nothing, so that the close frame is not lost to a reset.
        """
        self.closing = True
        self.gateway.departed(self)
        self._flush_stream()
        self.gateway.wheel.closing(self)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _answer_pings(self) -> None:
        """Pongs, which the core has made; a peer that asks and never reads is at its bound."""
        if self.transport.get_write_buffer_size() >= self.gateway.limits.viewer_buffer_bytes_max:
            self.stream.data_to_send()
            self.close(Closing.SLOW)
        else:
            self._flush_stream()

    def _flush_stream(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(self.stream.data_to_send()))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self.gateway.lost(self)
        self.backlog = None
        self.unread = b""
        self.stream.parser.close()  # its frame refers to the stream: without this, a cycle
