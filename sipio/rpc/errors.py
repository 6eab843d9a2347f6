"""What goes wrong on a MessagePack-RPC connection: the closed list of codes, and typed exceptions."""

from enum import StrEnum

import msgspec

from sipio.errors import SipioError


class ErrorCode(StrEnum):
    """Every ``code`` that we put in the error field of a response, or in a final ``error`` notification."""

    BAD_REQUEST = "bad_request"
    """The message or its params have the wrong shape; the message says where."""
    UNKNOWN_METHOD = "unknown_method"
    OVERLOADED = "overloaded"
    """A cap on requests or connections is reached. Nothing was begun; trying again later is safe."""
    SHUTTING_DOWN = "shutting_down"
    """Draining. Nothing was begun; another instance may take the request."""
    CALL_EXISTS = "call_exists"
    """``call.start`` with the id of a call that is up."""
    UNKNOWN_CALL = "unknown_call"
    """``call.event`` of a call that this connection did not start, or that has ended."""
    INTERNAL = "internal"
    """Our fault. It is in our log."""
    MALFORMED = "malformed"
    """The bytes are not MessagePack-RPC. The connection closes."""
    OVERSIZED = "oversized"
    """The message is longer than the frame cap. The connection closes."""
    FRAME_TIMEOUT = "frame_timeout"
    """A message was begun and not completed in time. The connection closes."""
    IDLE_TIMEOUT = "idle_timeout"
    """No request for too long. The connection closes."""


class ErrorBody(msgspec.Struct, frozen=True):
    """The error field of a response, and the only parameter of an ``error`` notification."""

    code: ErrorCode
    message: str


class RpcError(SipioError):
    """The peer answered our request with an error.

    ``code`` is one of `ErrorCode` from our own server; a foreign one may send any text, or none.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message

    @classmethod
    def from_wire(cls, error: object) -> "RpcError":
        """Read whatever stood in a response's error field. The specification leaves its shape open."""
        if isinstance(error, dict):
            return cls(str(error.get("code", "")), str(error.get("message", "")))
        return cls("", str(error))


class ConnectionLost(SipioError):
    """There is no connection, or it ended before the answer came."""
