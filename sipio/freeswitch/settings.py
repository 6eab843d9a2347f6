"""What an operator decides of FreeSWITCH, and where sounds come from."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from sipio.call_control import CallLimits, MediaText, MediaUrl
from sipio.host_port import HostPort


class InboundSocket(msgspec.Struct, frozen=True, kw_only=True):
    """A FreeSWITCH's own event socket, to have it place calls."""

    address: HostPort
    password: str
    callback: HostPort
    """Where it connects to for a call that has been answered: our own listener, as FreeSWITCH reaches it."""

    def __repr__(self) -> str:
        return f"InboundSocket(address={self.address!r}, callback={self.callback!r})"


class FreeswitchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One listener for outbound event sockets."""

    limits: CallLimits = CallLimits()
    sip_dial: str = "sofia/internal/{uri}"
    """Dial string of a bridge to ``sip:user@host``; empty refuses such destinations."""
    user_dial: str = "user/{user}"
    """Dial string of a bridge to ``user/NAME``."""
    trunk_dial: str = "sofia/gateway/{trunk}/{number}"
    """Dial string of a bridge to ``trunk/NAME/NUMBER``."""
    default_trunk: str = "default"
    """The trunk that a bare number is dialled by."""
    speech: str = ""
    """``engine|voice`` of a speech engine loaded into FreeSWITCH; empty to have texts spoken into files here."""
    url_prefix: str = ""
    """Put before an http(s) URL to have FreeSWITCH fetch it (``http_cache://`` with mod_http_cache); empty to have
    it fetched here."""
    inbound: InboundSocket | None = None
    """None: no calls are placed."""
    hangup_seconds: float = 5.0
    """A hang-up that FreeSWITCH has not confirmed in this time is forced, and in twice the time given up."""
    linger_seconds: float = 3.0
    """After a disconnect notice, the wait for the hang-up's own event; and after that, for recordings to finish."""
    recording_seconds: float = 2.0
    """A recording that FreeSWITCH has not said to have begun in this time has failed."""


class Obtaining(Protocol):
    """A sound being made or fetched."""

    def cancel(self) -> None:
        """Stop: it is not wanted any more, and ``done`` is not called."""


class MediaSource(Protocol):
    """Makes files of texts and URLs. The package above has one for all its drivers."""

    def obtain(self, media: MediaText | MediaUrl, done: Callable[[Path | str], None]) -> Obtaining:
        """Begin. ``done`` gets the path of a sound file that FreeSWITCH can read, or in words why there is none,
        once, later or before this returns."""
