"""What a switch asks for one call, and what it is told: the same for every protocol that carries it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta, Raw

from sipio.sound_text import with_sound_text

SIP_HEADERS: Final = 512
"""Headers of one request: as many as a SIP message may have here."""
SIP_TEXT: Final = 65_535
"""Characters of one of its texts: no SIP message over UDP is longer as a whole."""

_Text = Annotated[str, Meta(max_length=SIP_TEXT)]

LONGEST_TIMEOUT_MS: Final = 2**63 - 1
"""Of 64 bits with a sign, which every switch's numbers fit; a switch that has no limit may send it."""


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(dict[str, Any]).decode


def pack_routing(routing: Mapping[str, Any]) -> Raw:
    """A routing as requests and decisions carry it.

    Raises TypeError or OverflowError for what MessagePack cannot say.
    """
    try:
        return Raw(_pack(routing))
    except UnicodeEncodeError:
        # One character of somebody's text must not cost the call.
        return Raw(_pack(with_sound_text(routing)))


def unpack_routing(routing: Raw) -> dict[str, Any]:
    """The routing of a request or a decision. Raises msgspec.MsgspecError for what is none."""
    return _unpack(routing)


class Direction(StrEnum):
    """Which assignment applies: the customer's route (calls they place) or the DID (calls to them)."""

    TERMINATION = "termination"
    ORIGINATION = "origination"


class Action(StrEnum):
    """What the switch is told to do with the call."""

    ROUTE = "route"
    REJECT = "reject"


class SipRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SIP request by which a call came, for scripts to read."""

    method: _Text = "INVITE"
    uri: _Text = ""
    """The Request-URI as it was received."""
    source: _Text = ""
    """``host:port`` that it came from."""
    headers: Annotated[list[tuple[_Text, _Text]], Meta(max_length=SIP_HEADERS)] = []
    """Name and value of each, in the order and with the spelling of the message, a repeated one repeated."""


class RoutingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call for which a switch has made a routing decision."""

    call_id: str
    direction: Direction = Direction.TERMINATION
    customer: str = ""
    route: str = ""
    did: str = ""
    routing: Raw
    """The switch's own decision: ``egress_routing`` (destinations in order), ``cli``, ``dest_number``, ...

    MessagePack of a map, as it came: whoever needs a part of it decodes it, and mostly nobody does."""
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_TIMEOUT_MS)] | None = None
    """The most the switch is ready to wait; shortens the assignment's own timeout, never lengthens it. No time at all
    is a mistake of the switch's and no time-out of a script's."""
    fail_closed: bool | None = None
    """Whether the switch refuses the call if it gets no answer; None where it does not say."""
    sip: SipRequest | None = None
    """None where the switch does not tell it."""


class HeaderChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changes for every destination. Removal comes first, so that remove-then-add replaces."""

    add: list[tuple[str, str]] = []
    remove: list[str] = []


class ScriptReference(msgspec.Struct, frozen=True, kw_only=True):
    """The assigned script that decided."""

    id: str
    name: str
    version: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the switch is told."""

    action: Action
    code: int = 0
    """SIP status of a reject, 300 to 699; 0 for a route."""
    reason: str = ""
    routing: Raw
    """The routing object as the script left it, MessagePack of a map. Every ``egress_routing[i]`` that has header
    changes of its own carries them as ``headers: [{key, value}]`` and ``remove_headers: [{key}]``, values always text.
    """
    headers: HeaderChanges = HeaderChanges()
    outcome: str = "unassigned"
    """How the run ended: returned, sip_error, script_error, timed_out, out_of_memory, crashed, refused,
    cancelled, or unassigned when no script applies."""
    script: ScriptReference | None = None
    micros: dict[str, int] = {}
    """Microseconds by stage; ``total`` is from the request's arrival to its answer."""


class Pending(Protocol):
    """A decision under way."""

    def cancel(self) -> None:
        """The caller gave up: stop the run. The answer comes all the same, with outcome ``cancelled``."""


class Router(Protocol):
    """Decides calls. The package above implements it; every protocol of this one asks it."""

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        """Begin deciding. ``answer`` is called exactly once, later or before this returns; it never raises.

        Raises MalformedMessage, and then never answers, for a routing that no script could be given.
        """
        ...
