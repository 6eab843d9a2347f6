"""A channel's data as the call that is offered, and what the dialplan wants done with it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from sipio.call_control import CallOffer
from sipio.errors import MalformedMessage
from sipio.freeswitch.event_socket import Event
from sipio.number import read_number

DRIVER: Final = "freeswitch"

_OWN_NAMES: Final = {
    "sip_full_from": "From",
    "sip_full_to": "To",
    "sip_call_id": "Call-ID",
    "sip_user_agent": "User-Agent",
    "sip_subject": "Subject",
    "alert_info": "Alert-Info",
    "sip_call_info": "Call-Info",
    "sip_history_info": "History-Info",
    "sip_P-Asserted-Identity": "P-Asserted-Identity",
}
"""Headers that FreeSWITCH keeps under names of its own. What is in neither list it has dropped."""
_HEADER: Final = "sip_h_"


class Mode(StrEnum):
    """What the dialplan's ``scriptforge_mode`` asks for."""

    CLASS4 = "class4"
    CLASS5 = "class5"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A call that FreeSWITCH has connected to us for."""

    uuid: str
    mode: Mode
    full: bool
    """Whether the dialplan said ``async full``: without it most commands are refused."""
    answered: bool
    variables: dict[str, str]
    offer: CallOffer


def read_arrival(event: Event) -> Arrival:
    """Read the answer to ``connect``. Raises MalformedMessage where it has no Unique-ID, or an unknown mode."""
    uuid = event.get("Unique-ID") or event.get("Channel-Call-UUID")
    if not uuid or not uuid.replace("-", "").isalnum():
        raise MalformedMessage(f"channel data with Unique-ID {uuid[:80]!r}")
    variables = event.variables()
    wanted = variables.get("scriptforge_mode", Mode.CLASS5)
    try:
        mode = Mode(wanted)
    except ValueError:
        raise MalformedMessage(f"scriptforge_mode is {wanted[:40]!r}, not class4 or class5") from None
    source = variables.get("sip_network_ip", "")
    port = variables.get("sip_network_port", "")
    # A P-Asserted-Identity overrides Caller-Caller-ID-Number; the From user stays in sip_from_user.
    calling = read_number(variables.get("sip_from_user") or event.get("Caller-Caller-ID-Number"))
    called = read_number(variables.get("scriptforge_destination") or event.get("Caller-Destination-Number"))
    offer = CallOffer(
        id=variables.get("sip_call_id") or uuid,
        driver=DRIVER,
        from_user=calling.text,
        from_name=variables.get("sip_from_display", ""),
        from_host=variables.get("sip_from_host", ""),
        to_user=called.text,
        to_host=variables.get("sip_to_host", ""),
        from_parameters=calling.parameters,
        to_parameters=called.parameters,
        source=f"{f'[{source}]' if ':' in source else source}:{port}" if source and port else source,
        headers=headers_of(variables),
        customer=variables.get("scriptforge_customer", ""),
        variables=variables,
    )
    return Arrival(
        uuid=uuid,
        mode=mode,
        full=event.get("Control") == "full" and event.get("Socket-Mode") == "async",
        answered=event.get("Answer-State") == "answered",
        variables=variables,
        offer=offer,
    )


def headers_of(variables: Mapping[str, str], prefix: str = _HEADER) -> list[tuple[str, str]]:
    """The SIP headers that FreeSWITCH has kept as variables."""
    headers = []
    if prefix == _HEADER:
        headers = [(header, variables[name]) for name, header in _OWN_NAMES.items() if name in variables]
    headers += [
        (header_name(name.removeprefix(prefix), variables, prefix), value)
        for name, value in variables.items()
        if name.startswith(prefix)
    ]
    return headers


def header_name(suffix: str, variables: Mapping[str, str], prefix: str = _HEADER) -> str:
    """The header of ``sip_h_<suffix>``: a second X-Foo is kept as ``sip_h_X-Foo-1``."""
    name, dash, number = suffix.rpartition("-")
    return name if dash and number.isdecimal() and f"{prefix}{name}" in variables else suffix
