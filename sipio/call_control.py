"""Class 5: one call that a script drives, whatever carries it.

Three drivers give it: the embedded SIP user agent, FreeSWITCH over its event socket, and any MessagePack-RPC peer.
A driver offers each new call to a `CallHandler`; the handler performs actions on the call and is told its events.
Everything happens on the event loop. A driver queues nothing: whoever performs actions sees to their order.
"""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

import msgspec

KEYS: Final = msgspec.Meta(pattern="^[0-9*#A-D]{0,128}\\Z")
"""What a switch may say was pressed: as many keys as one `Collect` may ask for."""


class HangupBy(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    """The other party of a bridge, with the call ended for its sake."""
    SCRIPT = "script"
    SYSTEM = "system"
    """A limit, a lost connection, a media timeout, a shutdown."""


class CallOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has come in."""

    id: str
    """The driver's own, unique among its calls; the SIP Call-ID where there is one."""
    driver: str
    """``sip``, ``freeswitch`` or ``rpc``."""
    from_user: str
    from_name: str = ""
    from_host: str = ""
    to_user: str
    """The number or name dialled: the Class 5 destination."""
    to_host: str = ""
    from_parameters: dict[str, str] = {}
    """Of the caller's number (``tgrp``, ``isub``), names in lower case; of one without a value empty text."""
    to_parameters: dict[str, str] = {}
    """Of the number dialled, likewise (``rn``, ``npdi``, ``cic``)."""
    source: str = ""
    """``host:port`` that it came from."""
    headers: list[tuple[str, str]] = []
    """The headers of the INVITE, in order, with their own spelling."""
    customer: str = ""
    """Where the driver knows it: the user that registered, the trunk, the dialplan's variable."""
    variables: dict[str, str] = {}
    """What else the driver knows of it: FreeSWITCH channel variables, what an adapter's switch sent along."""


class MediaFile(msgspec.Struct, frozen=True, tag="file"):
    """A recording to play. ``name`` is what the script wrote; ``path`` where it lies on this machine, already checked
    to be the customer's own or the house's."""

    name: str
    path: Path


class MediaUrl(msgspec.Struct, frozen=True, tag="url"):
    """A recording to fetch (http or https) and play."""

    url: str


class MediaText(msgspec.Struct, frozen=True, tag="text"):
    """Text to speak."""

    text: str
    voice: str = ""
    """The voice to speak it with; empty for the configured one."""


Media = MediaFile | MediaUrl | MediaText


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """Answer the call; complete when the caller has confirmed it (the ACK is in)."""

    headers: list[tuple[str, str]] = []


class Play(msgspec.Struct, frozen=True, kw_only=True, tag="play"):
    """Play or speak; complete when all of it has been heard. A call not yet answered gets early media (183)."""

    media: list[Media]
    """What to play, one after the other."""


class Echo(msgspec.Struct, frozen=True, kw_only=True, tag="echo"):
    """Send the caller's audio back; complete when stopped or hung up."""

    delay_ms: int = 0


class Collect(msgspec.Struct, frozen=True, kw_only=True, tag="collect"):
    """Play a prompt and collect digits, which interrupt it. Its result is `Digits`."""

    prompt: list[Media] = []
    invalid_prompt: list[Media] = []
    """Played before each further try."""
    timeout_seconds: float = 5.0
    """From the prompt's end to the first digit, and from each digit to the next."""
    minimum: int = 1
    maximum: int = 128
    terminators: str = "#"
    """Digits that end the input; empty for none."""
    tries: int = 1
    pattern: str = ""
    """A regular expression that the whole input must match, in RE2's syntax (no look-around, no back references)."""
    typed_ahead: str = ""
    """Digits pressed before, to be taken as if pressed at the very beginning: with any, the first try has no prompt.
    Never more than that try takes. A driver keeps none of its own: whoever performs actions does."""


class CollectStatus(StrEnum):
    """How collecting ended."""

    SUCCESS = "success"
    TIMEOUT = "timeout"
    """Nothing, or less than the minimum, was entered in time on every try."""
    FAILURE = "failure"
    """What was entered was not valid on every try."""


class Digits(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `Collect`."""

    status: CollectStatus
    value: Annotated[str, KEYS] = ""
    """The digits entered, without the terminator."""
    terminator: Annotated[str, KEYS] = ""


class Bridge(msgspec.Struct, frozen=True, kw_only=True, tag="bridge"):
    """Call another party and connect the two; complete when the other leg has ended or could not be reached."""

    destinations: list[str]
    """Tried in order: ``sip:user@host``, ``user/NAME`` (registered here), ``trunk/NAME/NUMBER``, or a bare number for
    the default trunk."""
    timeout_seconds: float = 60.0
    """How long each destination has to answer."""
    cli: str = ""
    """Caller id shown to the other party; empty for the caller's own."""
    headers: list[tuple[str, str]] = []
    """Headers that the INVITE to the other party gets."""
    ringback: list[Media] = []
    """Heard by the caller while it rings, over and over; empty for the other party's early media or a tone."""


REASON_CHARACTERS: Final = 200
"""Of what a peer gives for a reason; RFC 3261's own phrases have 35, and a peer's may have 60 KB."""


class BridgeStatus(StrEnum):
    """What became of the other leg."""

    COMPLETED = "completed"
    """It was answered and has ended."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The caller hung up before it answered."""


class Bridged(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `Bridge`. The driver leaves the caller's leg up: whether the script goes on is not its business."""

    status: BridgeStatus
    destination: str = ""
    """The one that answered, or the last tried."""
    code: Annotated[int, msgspec.Meta(ge=0, le=699)] = 0
    """The other leg's final SIP status; 0 where there was none."""
    reason: str = ""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    """How long it lasted, from its answer to its end."""
    hangup_by: Literal["caller", "callee", "system", ""] = ""
    """Who ended an answered one; ``system`` where neither party did, such as after a media timeout."""

    def __post_init__(self) -> None:
        if len(self.reason) > REASON_CHARACTERS:
            msgspec.structs.force_setattr(self, "reason", self.reason[:REASON_CHARACTERS])


class Hangup(msgspec.Struct, frozen=True, kw_only=True, tag="hangup"):
    """End the call: a final SIP answer before it was answered, a BYE after. Complete when it has been sent."""

    code: int = 0
    """SIP status before the answer; 0 for 480, or the cause's own."""
    reason: str = ""
    cause: int = 16
    """Q.850 cause, sent as ``Reason: Q.850``."""
    headers: list[tuple[str, str]] = []


class Record(msgspec.Struct, frozen=True, kw_only=True, tag="record"):
    """Record the call to a WAV file until it ends; complete when recording has begun. `RecordingFinished` follows."""

    name: str
    """What the script called it, or what it is called now where that name was taken."""
    path: Path
    """Where it is written. Whoever performs the action sees to it that nothing worth keeping is there."""
    stereo: bool = False
    """Whether each leg of a bridged call has a side of its own."""


class BlockDtmf(msgspec.Struct, frozen=True, kw_only=True, tag="block_dtmf"):
    """Digits are neither reported, nor collected, nor relayed any more."""

    digits: str = ""
    """The digits that are blocked; empty for all."""


CallAction = Answer | Play | Echo | Collect | Bridge | Hangup | Record | BlockDtmf


class Done(msgspec.Struct, frozen=True):
    """The action is complete. ``value`` is Digits of a Collect, Bridged of a Bridge, else None."""

    value: Digits | Bridged | None = None


class HungUpDuring(msgspec.Struct, frozen=True):
    """The call ended before the action was complete."""


class Failed(msgspec.Struct, frozen=True):
    """The action could not be done: no such file, nothing to speak with, an answer that was never confirmed."""

    message: str


class Stopped(msgspec.Struct, frozen=True):
    """The action was stopped by whoever performed it."""


ActionResult = Done | HungUpDuring | Failed | Stopped


class DigitPressed(msgspec.Struct, frozen=True, kw_only=True):
    """The caller pressed a digit, also during `Collect`. Not reported when blocked."""

    digit: str
    duration_ms: int = 0


class HungUp(msgspec.Struct, frozen=True, kw_only=True):
    """The call has ended; nothing of it follows but `RecordingFinished`."""

    by: HangupBy
    code: int = 0
    """SIP status where the call was never answered."""
    cause: int = 16
    """Q.850 cause of the end."""
    reason: str = ""
    """In words: ``BYE``, ``CANCEL``, ``media timeout``, ``ACK never came`` ..."""
    headers: list[tuple[str, str]] = []
    """The headers of the BYE or CANCEL."""

    def __post_init__(self) -> None:
        if len(self.reason) > REASON_CHARACTERS:
            msgspec.structs.force_setattr(self, "reason", self.reason[:REASON_CHARACTERS])


class RecordingFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A recording is complete on disk, or as much of it as could be written."""

    name: str
    path: Path
    seconds: float
    error: str = ""


class LegEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something about the other leg, for the call record. Of each leg that was begun the last one is ``ended``,
    answered or not; a destination that could not even be called has this one alone."""

    destination: str
    what: str
    """``ringing``, ``answered`` or ``ended``."""
    code: int = 0
    """For ringing the provisional status, where the driver knows it. For answered 200. For ended 0 for a leg that was
    answered, else its final SIP status: 487 for one that was given up, 0 where there was none."""


CallEvent = DigitPressed | HungUp | RecordingFinished | LegEvent


class PendingAction(Protocol):
    """An action under way."""

    def stop(self) -> None:
        """End it early: its result is Stopped, or Done where it was just complete. Media stops, an unanswered
        bridge is cancelled, an answered one is hung up."""


class CallControl(Protocol):
    """One call, to be driven."""

    @property
    def offer(self) -> CallOffer: ...

    @property
    def ended(self) -> bool:
        """Whether HungUp has been told."""
        ...

    def perform(self, action: CallAction, done: Callable[[ActionResult], None]) -> PendingAction:
        """Begin an action. ``done`` is called once, later or before this returns.

        Media actions (Play, Echo, Collect) replace each other; the one replaced is Stopped. Record, BlockDtmf and
        Hangup may be performed beside any other. On an ended call every action is HungUpDuring at once.
        """
        ...

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the switch's (a FreeSWITCH channel variable); where the driver has none, nothing."""
        ...


class CallObserver(Protocol):
    """Whoever drives a call."""

    def event(self, event: CallEvent) -> None:
        """Something happened on the call. Never raises."""


class CallHandler(Protocol):
    """Takes calls that come in. The package above implements it; every driver of this one asks it."""

    def offered(self, call: CallControl) -> CallObserver | Hangup:
        """A call is here, ringing. Take it, or give the answer that refuses it. Never raises."""
        ...


class Origination(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be placed: one party is called, and once it has answered it is the caller of a call to be driven."""

    id: str
    """The call's, made by whoever places it: what answers has it in its offer."""
    destination: str
    """Written as those of `Bridge`."""
    cli: str = ""
    """Caller id shown to the party."""
    timeout_seconds: float = 60.0
    """How long it has to answer."""
    customer: str = ""
    """Whose call it is."""


class OriginationObserver(Protocol):
    """Whoever places a call. Told of `ringing` any number of times and then, unless it was given up, of one of the two
    others. Never raises."""

    def ringing(self) -> None:
        """The party's phone rings. Not every driver knows it."""
        ...

    def answered(self, call: CallControl) -> CallObserver:
        """The party has answered: here is the call, and who is given back is told of it."""
        ...

    def refused(self, code: int, reason: str) -> None:
        """It did not come to a call: by this SIP status, 408 where nobody answered in time."""
        ...


class PendingOrigination(Protocol):
    """A call that is being placed."""

    def stop(self) -> None:
        """Give it up: what rings is cancelled, and the observer is told nothing any more. Nothing where it was told."""
        ...


class Originator(Protocol):
    """Places calls: each driver is one."""

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Begin to place a call. The observer is told later or before this returns. Never raises."""
        ...


class NoOrigination:
    """A call that was refused as soon as it was to be placed. A `PendingOrigination`."""

    def stop(self) -> None:
        """It is over, so nothing is left to give up."""


class CallLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of every driver."""

    calls: int = 2_000
    """Calls at once; the next is refused with 503 and Retry-After."""
    retry_after_seconds: int = 5
