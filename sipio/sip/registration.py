"""Keeping ourselves registered with a registrar elsewhere (RFC 3261 clause 10.2)."""

from typing import Final

from sipio.errors import MalformedMessage
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import RegistrationChanged, RegistrationState
from sipio.sip.message import Response
from sipio.sip.serialize import Headers
from sipio.sip.servers import Servers
from sipio.sip.settings import RegistrationSettings
from sipio.sip.timers import Timer
from sipio.sip.transaction import OutgoingRequest
from sipio.sip.uri import parse_name_address, parse_uri, split_list
from sipio.sip.uri_comparison import equivalent
from sipio.sip.user_agent_core import UserAgentCore

BACKOFF_FIRST: Final = 5.0
BACKOFF_LONGEST: Final = 300.0
"""Seconds between tries after a failure: doubling, spread by half so that a registrar that comes back is not met by
everybody at once (RFC 5626 clause 4.5)."""


class Registration:
    """One registration: begun, refreshed before it runs out, tried again after a failure, ended."""

    __slots__ = (
        "_call_id",
        "_core",
        "_digest",
        "_expires",
        "_failures",
        "_sequence",
        "_servers",
        "_stopping",
        "_tag",
        "_timer",
        "registered",
        "settings",
    )

    def __init__(self, core: UserAgentCore, settings: RegistrationSettings) -> None:
        """Nothing is sent before `start`.

        Raises:
            MalformedMessage: a registrar or an address of record that is no URI.
            LocalError: nothing is listened on for its transport.
        """
        self._core: Final = core
        self.settings: Final = settings
        self._servers: Final = Servers(core, settings.proxy or parse_uri(settings.registrar))
        parse_uri(settings.address_of_record)
        self._digest: Final = DigestClient(settings.credentials, core.randomness)
        self._call_id: Final = core.randomness.call_id()
        self._tag: Final = core.randomness.tag()
        self._sequence = core.randomness.sequence()
        self._expires = settings.expires_seconds
        self._failures = 0
        self._timer: Timer | None = None
        self._stopping = False
        self.registered = False

    def start(self) -> None:
        """Register now."""
        self._servers.locate(self._try_server)

    def stop(self) -> None:
        """Unregister; `RegistrationChanged` tells when that is done."""
        if self._stopping:
            return
        self._stopping = True
        self._core.timers.cancel(self._timer)
        if self.registered:
            self._send(0)
        else:
            self._changed(RegistrationState.UNREGISTERED, 0, "")

    def _try_server(self) -> None:
        """Register with the next server."""
        if self._stopping:
            return
        if self._servers.advance():
            self._send(self._expires)
        else:
            self._back_off(503, "no server found", self._core.clock())

    def _fail_over(self, now: float) -> bool:
        """The server being tried failed: go to the next one. False where there is none."""
        self._servers.failed(now)
        if not self._servers.remaining:
            return False
        self._try_server()
        return True

    def _send(self, expires: int) -> None:
        settings = self.settings
        self._sequence += 1
        headers: Headers = [
            ("Max-Forwards", "70"),
            ("From", f"<{settings.address_of_record}>;tag={self._tag}"),
            ("To", f"<{settings.address_of_record}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._sequence} REGISTER"),
            self._contact(),
            ("Expires", str(expires)),
            *self._digest.headers("REGISTER", settings.registrar),
            *self._core.user_agent_headers,
        ]
        self._core.layer.request(
            OutgoingRequest("REGISTER", settings.registrar, headers),
            destination=self._servers.server,
            local=self._servers.local,
            on_response=self._answered,
            on_failure=self._failed,
            now=self._core.clock(),
        )

    def _answered(self, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            return
        reason = response.reason
        if status in {401, 407}:
            if self._digest.challenged(response):
                self._send(0 if self._stopping and self.registered else self._expires)
                return
            reason = f"{reason}: {self._digest.unmet}"
        if self._stopping:
            self._unregistered(status, reason)
            return
        if status < 300:
            self._digest.succeeded()
            self._failures = 0
            self.registered = True
            expires = self._granted(response)
            # A fifth of it, 5 s at least and a minute at most, is left for two tries.
            early = max(min(5.0, expires / 2), min(60.0, expires * 0.2))
            self._timer = self._core.timers.start(now + expires - early, self._again)
            self._changed(RegistrationState.REGISTERED, status, response.reason, expires)
            return
        if status == 503 and self._fail_over(now):
            return
        minimum = _number(response.get("min-expires"))
        if status == 423 and minimum > self._expires:
            self._expires = minimum
            self._send(self._expires)
            return
        self._back_off(status, reason, now)

    def _failed(self, broken: bool, now: float) -> None:
        status, reason = (503, "transport failed") if broken else (408, "no answer to REGISTER")
        if self._stopping:
            self._unregistered(status, reason)
        elif not self._fail_over(now):
            self._back_off(status, reason, now)

    def _back_off(self, status: int, reason: str, now: float) -> None:
        self._digest.succeeded()
        self.registered = False
        wait = min(BACKOFF_LONGEST, BACKOFF_FIRST * 2 ** min(self._failures, 10))
        self._failures += 1
        self._timer = self._core.timers.start(now + wait * self._core.randomness.uniform(0.5, 1.0), self._again)
        self._changed(RegistrationState.FAILED, status, reason)

    def _unregistered(self, status: int, reason: str) -> None:
        self.registered = False
        self._changed(RegistrationState.UNREGISTERED, status, reason)

    def _again(self, now: float) -> None:  # noqa: ARG002 - a timer's signature
        if self.registered:
            self._send(self._expires)
        else:
            self._servers.locate(self._try_server)

    def _contact(self) -> tuple[str, str]:
        return self._core.contact(self._servers.local, self.settings.contact_user)

    def _granted(self, response: Response) -> float:
        """Seconds: the expires of our own Contact, else the Expires header, else what was asked for.

        A registrar behind NAT may have rewritten our Contact, so that none of those that it names is ours: then the one
        that runs out first is taken for it, since to refresh too soon costs a message and too late every call.
        """
        ours = parse_name_address(self._contact()[1]).uri
        whole = _number(response.get("expires")) or self._expires
        granted: list[int] = []
        for field in response.get_all("contact"):
            try:
                for value in split_list(field):
                    address = parse_name_address(value)
                    given = _number(address.parameters.get("expires")) or whole
                    if equivalent(address.uri, ours):
                        return float(given)
                    granted.append(given)
            except MalformedMessage:
                continue
        return float(min(granted, default=whole))

    def _changed(self, state: RegistrationState, status: int, reason: str, expires: float = 0.0) -> None:
        self._core.emit(
            RegistrationChanged(
                name=self.settings.name, state=state, status=status, reason=reason, expires_seconds=expires
            )
        )


def _number(text: str | None) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
