"""Class 5 over MessagePack-RPC: what a switch says of its calls, and actions as it is asked for them.

docs/voice-adapter.md is the same in words, for whoever writes the switch's side.
"""

from pathlib import Path
from typing import Annotated, Any, Final, assert_never

import msgspec
from msgspec import Meta

from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    Bridged,
    BridgeStatus,
    CallAction,
    CallEvent,
    CallOffer,
    Collect,
    DigitPressed,
    Digits,
    Echo,
    Hangup,
    HangupBy,
    HungUp,
    LegEvent,
    Media,
    MediaFile,
    MediaText,
    Play,
    Record,
    RecordingFinished,
)
from sipio.errors import MalformedMessage
from sipio.number import number_of
from sipio.rpc.values import ValueDecoder

CallId = Annotated[str, Meta(min_length=1, max_length=256)]
_Status = Annotated[int, Meta(ge=0, le=699)]
_Cause = Annotated[int, Meta(ge=0, le=127)]
_Seconds = Annotated[float, Meta(ge=0, le=1e9)]


class CallStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The map of ``call.start``: a `CallOffer` without its driver."""

    id: CallId
    from_user: str
    from_name: str = ""
    from_host: str = ""
    to_user: str
    to_host: str = ""
    source: str = ""
    headers: list[tuple[str, str]] = []
    customer: str = ""
    variables: dict[str, str] = {}

    def offer(self) -> CallOffer:
        """The call as a handler sees it."""
        calling, called = number_of(self.from_user), number_of(self.to_user)
        fields = msgspec.structs.asdict(self)
        fields.update(
            from_user=calling.text,
            to_user=called.text,
            from_parameters=calling.parameters,
            to_parameters=called.parameters,
        )
        return CallOffer(driver="rpc", **fields)


class CallAccepted(msgspec.Struct, frozen=True):
    """The answer to a ``call.start`` that was taken."""

    accepted: bool = True


class CallRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a ``call.start`` that was refused: what the switch is to answer its caller."""

    accepted: bool = False
    code: int
    reason: str
    cause: int
    headers: list[tuple[str, str]] = []


class DigitEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="digit"):
    """The event ``digit``: the caller pressed a key."""

    call_id: CallId
    digit: Annotated[str, Meta(pattern="^[0-9*#A-D]$")]
    duration_ms: Annotated[int, Meta(ge=0, le=10**9)] = 0

    def event(self) -> CallEvent:
        """The event as a handler sees it."""
        return DigitPressed(digit=self.digit, duration_ms=self.duration_ms)


class HungUpEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="hungup"):
    """The event ``hungup``: the call is over."""

    call_id: CallId
    by: HangupBy = HangupBy.CALLER
    code: _Status = 0
    cause: _Cause = 16
    reason: str = ""
    headers: list[tuple[str, str]] = []

    def event(self) -> HungUp:
        """The event as a handler sees it."""
        return HungUp(by=self.by, code=self.code, cause=self.cause, reason=self.reason, headers=self.headers)


class RecordingFinishedEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="recording_finished"):
    """The event ``recording_finished``: a recording is whole on disk, or has failed."""

    call_id: CallId
    name: str
    path: str = ""
    seconds: _Seconds = 0.0
    error: str = ""

    def event(self) -> CallEvent:
        """The event as a handler sees it."""
        return RecordingFinished(name=self.name, path=Path(self.path), seconds=self.seconds, error=self.error)


class LegEventMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="leg"):
    """The event ``leg``: something happened to a leg that is being bridged to."""

    call_id: CallId
    destination: str
    what: Annotated[str, Meta(pattern="^(ringing|answered|ended)$")]
    code: _Status = 0

    def event(self) -> CallEvent:
        """The event as a handler sees it."""
        code = self.code
        if self.what != "ringing" and (not code or 200 <= code < 300):
            code = 200 if self.what == "answered" else 0
        return LegEvent(destination=self.destination, what=self.what, code=code)


EventMessage = DigitEvent | HungUpEvent | RecordingFinishedEvent | LegEventMessage


class EventHead(msgspec.Struct, frozen=True):
    """What can be read of an event of the wrong shape: empty where not even that."""

    call_id: str = ""
    event: str = ""


_EVENT: Final = ValueDecoder(EventMessage)
_EVENT_HEAD: Final = ValueDecoder(EventHead)


def read_event(given: msgspec.Raw) -> EventMessage:
    """One ``call.event``. Raises MalformedMessage, which names the field."""
    message: EventMessage = _EVENT.decode(given, "params[0]")
    return message


def read_event_head(given: msgspec.Raw) -> EventHead:
    """What call an event is of and what it is, whatever else is wrong with it; empty where not even that is right."""
    try:
        head: EventHead = _EVENT_HEAD.decode(given, "params[0]")
    except MalformedMessage:
        return EventHead()
    return head


_DIGITS: Final = ValueDecoder(Digits)
_BRIDGED: Final = ValueDecoder(Bridged)


def read_result(action: CallAction, result: msgspec.Raw) -> Digits | Bridged | None:
    """What an action answered with. Raises MalformedMessage."""
    if isinstance(action, Collect):
        digits: Digits = _DIGITS.decode(result, "result")
        return digits
    if isinstance(action, Bridge):
        bridged: Bridged = _BRIDGED.decode(result, "result")
        _check_bridged(bridged)
        return bridged
    return None


def _check_bridged(bridged: Bridged) -> None:
    """Refuse a result that says of one leg that it was connected and that it was not."""
    completed = bridged.status is BridgeStatus.COMPLETED
    if completed and bridged.code >= 300:
        raise MalformedMessage(f"status completed with a final answer of {bridged.code} - at `result.code`")
    if not completed and 200 <= bridged.code < 300:
        raise MalformedMessage(
            f"status {bridged.status.value} of a leg that answered {bridged.code} - at `result.code`"
        )
    if not completed and bridged.seconds:
        raise MalformedMessage(f"status {bridged.status.value} of a leg that lasted - at `result.seconds`")


def _method_of(action: CallAction) -> str:
    match action:
        case Answer():
            return "call.answer"
        case Play():
            return "call.play"
        case Echo():
            return "call.echo"
        case Collect():
            return "call.collect"
        case Bridge():
            return "call.bridge"
        case Hangup():
            return "call.hangup"
        case Record():
            return "call.record"
        case BlockDtmf():
            return "call.block_dtmf"
        case _:
            assert_never(action)


def request_of(call_id: str, action: CallAction) -> tuple[str, dict[str, Any]]:
    """The method and the map that ask a switch for an action."""
    fields = {"call_id": call_id, **msgspec.structs.asdict(action)}
    for name in ("media", "prompt", "invalid_prompt", "ringback"):
        if name in fields:
            fields[name] = [_media(one) for one in fields[name]]
    if isinstance(action, Record):
        fields["path"] = str(action.path)
    return _method_of(action), fields


def _media(media: Media) -> dict[str, str]:
    if isinstance(media, MediaFile):
        return {"type": "file", "name": media.name, "path": str(media.path)}
    if isinstance(media, MediaText):
        return {"type": "text", "text": media.text, "voice": media.voice}
    return {"type": "url", "url": media.url}
