"""One MessagePack-RPC connection, either end of it, without input or output: bytes and ``now`` in, events and
bytes out, and the next deadline.

    open ──`finish`──▶ finishing
    open, finishing ──bytes that are no message, a message too long, a deadline passed──▶ failed
    open, finishing ──`end_of_input` inside a message──▶ failed
    any ──`end`──▶ ended

Requests of ours begin while it is open; those begun before are answered while it is finishing. A failed connection
takes no more bytes; what it has to say last is in `take_output`.
"""

from typing import Any, Final

import msgspec

from sipio.errors import LocalError, MalformedFrame, OversizedFrame, PeerError
from sipio.rpc import messages
from sipio.rpc.errors import ConnectionLost, ErrorBody, ErrorCode
from sipio.rpc.limits import RpcLimits
from sipio.rpc.messages import (
    FrameSplitter,
    MessageId,
    NotificationReceived,
    RequestReceived,
    ResponseReceived,
    UnusableMessage,
)

OUTSTANDING_LIMIT: Final = 65_536
"""Requests of ours that the peer has not answered. More than one connection can usefully have under way."""


class RequestRefused(msgspec.Struct, frozen=True):
    """A request too misshapen to hand on. It has been answered already."""

    msgid: MessageId
    code: ErrorCode


class ResponseUnexpected(msgspec.Struct, frozen=True):
    """A response to no request of ours that is waiting: given up before, or never made. Nothing follows."""

    msgid: MessageId


class ConnectionFailed(msgspec.Struct, frozen=True):
    """The peer did what no connection survives. Send what is left to send and close."""

    code: ErrorCode
    error: PeerError


Event = (
    RequestReceived | ResponseReceived | NotificationReceived | RequestRefused | ResponseUnexpected | ConnectionFailed
)


class RpcConnection:
    """The protocol of one connection."""

    __slots__ = (
        "_heard_at",
        "_limits",
        "_lone",
        "_next_msgid",
        "_output",
        "_outstanding",
        "_partial_since",
        "_splitter",
        "_unanswered",
        "ended",
        "failed",
        "finishing",
    )

    def __init__(self, limits: RpcLimits, now: float, next_msgid: int = 0) -> None:
        """``next_msgid``: of the first request of ours; a connection that goes on in another process goes on counting,
        so that a late answer to one of before is not taken for another's."""
        self._limits = limits
        self._splitter = FrameSplitter(limits.frame_bytes)
        self._output: list[bytes] = []
        self._outstanding: set[int] = set()
        self._next_msgid = next_msgid
        self._unanswered = 0
        self._partial_since: float | None = None
        self._lone = False
        """Whether the last bytes were one whole message."""
        self._heard_at = now
        self.finishing = False
        """Whether only what was begun before is still answered: see `finish`."""
        self.failed = False
        """Whether a `ConnectionFailed` was given."""
        self.ended = False
        """Whether the transport is gone: see `end`."""

    @property
    def unread(self) -> bytes:
        """The beginning of a message of the peer's that is not complete."""
        return bytes(self._splitter.partial)

    @property
    def next_msgid(self) -> int:
        """Of the next request of ours."""
        return self._next_msgid

    def finish(self) -> None:
        """Let nothing new begin from now on; what has begun is answered."""
        self.finishing = True

    def end(self) -> None:
        """Take note that the transport is gone: nothing that is still said gets anywhere."""
        self.ended = True

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take bytes from the peer. Never raises, whatever they are; `ConnectionFailed` comes last if at
        all."""
        if self.failed or not data:
            return []
        if self._lone and (request := messages.lone_request(data, self._limits.frame_bytes)) is not None:
            self._unanswered += 1
            self._heard_at = now
            return [request]
        events: list[Event] = []
        frames: list[bytes] = []
        failure: PeerError | None = None
        try:
            if not self._splitter.feed(data, frames):
                failure = OversizedFrame(f"message longer than {self._limits.frame_bytes} bytes")
        except MalformedFrame as error:
            failure = error
        for frame in frames:
            try:
                message = messages.decode_message(frame)
            except UnusableMessage as error:
                if error.msgid is None:
                    events.append(self._fail(ErrorCode.MALFORMED, error))
                    return events
                self._unanswered += 1
                self.respond_error(error.msgid, ErrorCode.BAD_REQUEST, str(error))
                events.append(RequestRefused(error.msgid, ErrorCode.BAD_REQUEST))
                continue
            if type(message) is RequestReceived:
                self._unanswered += 1
            elif type(message) is ResponseReceived:
                if message.msgid not in self._outstanding:
                    events.append(ResponseUnexpected(message.msgid))
                    continue
                self._outstanding.discard(message.msgid)
            events.append(message)
        if frames:
            self._heard_at = now
        if failure is not None:
            code = ErrorCode.OVERSIZED if isinstance(failure, OversizedFrame) else ErrorCode.MALFORMED
            events.append(self._fail(code, failure))
        elif not self._splitter.partial:
            self._partial_since = None
            self._lone = len(frames) == 1
        elif frames or self._partial_since is None:
            self._partial_since = now
        if self._partial_since is not None:
            self._lone = False
        return events

    def end_of_input(self) -> list[Event]:
        """The peer sends nothing more; it may still read."""
        if self.failed or not self._splitter.partial:
            return []
        return [self._fail(ErrorCode.MALFORMED, MalformedFrame("the connection ended inside a message"))]

    def reading_resumed(self, now: float) -> None:
        """We had stopped reading, so a message not complete was not the peer's delay: its time starts
        again."""
        if self._partial_since is not None:
            self._partial_since = now

    def deadline(self) -> float | None:
        """When `expire` is to be called next; None for never."""
        if self.failed:
            return None
        deadline: float | None = None
        if self._partial_since is not None:
            deadline = self._partial_since + self._limits.partial_frame_seconds
        if self._limits.idle_seconds > 0 and not self._busy:
            idle = self._heard_at + self._limits.idle_seconds
            deadline = idle if deadline is None else min(deadline, idle)
        return deadline

    def expire(self, now: float) -> list[Event]:
        """Act on a deadline that has come; nothing if none has."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return []
        if self._partial_since is not None and now >= self._partial_since + self._limits.partial_frame_seconds:
            return [self._fail(ErrorCode.FRAME_TIMEOUT, PeerError("a message was begun and not completed"))]
        return [self._fail(ErrorCode.IDLE_TIMEOUT, PeerError("no message for too long"))]

    def request(self, method: str, params: Any) -> int:
        """Ask the peer; ``params`` is a list or tuple. Gives the msgid that `ResponseReceived` will carry.

        Raises `ConnectionLost` where nothing new begins any more, `LocalError` when too many are waiting or ``params``
        cannot be encoded.
        """
        self._check_open()
        if len(self._outstanding) >= OUTSTANDING_LIMIT:
            raise LocalError(f"{OUTSTANDING_LIMIT} requests wait for their answer")
        msgid = self._next_msgid
        while msgid in self._outstanding:
            msgid = (msgid + 1) & 0xFFFF_FFFF
        self._output.append(_encoded(messages.encode_request, msgid, method, params))
        self._next_msgid = (msgid + 1) & 0xFFFF_FFFF
        self._outstanding.add(msgid)
        return msgid

    def give_up(self, msgid: int) -> None:
        """Stop waiting for the answer to a request of ours; should it come it is `ResponseUnexpected`."""
        self._outstanding.discard(msgid)

    def notify(self, method: str, params: Any) -> None:
        """Tell the peer. Raises `ConnectionLost` where nothing new begins any more, `LocalError` when ``params`` cannot
        be encoded."""
        self._check_open()
        self._output.append(_encoded(messages.encode_notification, method, params))

    def respond(self, msgid: int, result: Any) -> None:
        """Answer a `RequestReceived`, once. Raises `LocalError`, with nothing sent, when it cannot be
        encoded."""
        self._output.append(_encoded(messages.encode_response, msgid, None, result))
        self._unanswered -= 1

    def respond_error(self, msgid: int, code: ErrorCode, message: str) -> None:
        """Answer a `RequestReceived` with an error, once."""
        self._output.append(messages.encode_response(msgid, ErrorBody(code, message), None))
        self._unanswered -= 1

    def take_output(self, now: float) -> list[bytes]:
        """What is to be sent, in order."""
        output = self._output
        if output:
            self._output = []
            self._heard_at = now
        return output

    @property
    def _busy(self) -> bool:
        return self._unanswered > 0 or bool(self._outstanding)

    def _check_open(self) -> None:
        if self.finishing or self.failed or self.ended:
            raise ConnectionLost("not connected")

    def _fail(self, code: ErrorCode, error: PeerError) -> ConnectionFailed:
        self.failed = True
        self._partial_since = None
        # The specification has no message for this. The request at fault is answered where its id can be
        # read; else a notification says why: what a client without handlers for it ignores.
        msgid = messages.read_message_id(bytes(self._splitter.partial[:16]))
        if code is ErrorCode.OVERSIZED and msgid is not None:
            self._output.append(messages.encode_response(msgid, ErrorBody(code, str(error)), None))
        else:
            self._output.append(messages.encode_notification("error", (ErrorBody(code, str(error)),)))
        return ConnectionFailed(code, error)


def _encoded(encode: Any, *fields: Any) -> bytes:
    try:
        encoded: bytes = encode(*fields)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise LocalError(f"cannot be encoded: {error}") from error
    return encoded
