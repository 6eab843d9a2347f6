"""Session timers (RFC 4028): a call whose other end has silently gone is noticed and ended."""

from collections.abc import Callable
from typing import Final

from sipio.sip.message import SipMessage
from sipio.sip.serialize import Headers
from sipio.sip.timers import Timer, Timers


class SessionTimer:
    """Who refreshes one session, and when it has run out."""

    __slots__ = ("_expire", "_expiry", "_refresh", "_refreshing", "_timers", "interval", "refresher")

    def __init__(self, timers: Timers, refresh: Callable[[float], None], expire: Callable[[float], None]) -> None:
        self._timers: Final = timers
        self._refresh = refresh
        self._expire = expire
        self._refreshing: Timer | None = None
        self._expiry: Timer | None = None
        self.interval = 0
        """Seconds; 0 while there is none."""
        self.refresher = False
        """Whether it is us who refreshes."""

    def start(self, interval: int, *, refresher: bool, now: float) -> None:
        """Begin, or begin anew after a refresh (clause 10)."""
        self.stop()
        self.interval = interval
        self.refresher = refresher
        if refresher:
            self._refreshing = self._timers.start(now + interval / 2, self._refresh)
        self._expiry = self._timers.start(now + interval - min(32.0, interval / 3), self._expire)

    def refresh_again(self, now: float) -> None:
        """A refresh is under way, or could not be sent now: once more in a while unless it succeeds."""
        self._timers.cancel(self._refreshing)
        self._refreshing = self._timers.start(now + self.interval / 10, self._refresh)

    def stop(self) -> None:
        self._timers.cancel(self._refreshing)
        self._timers.cancel(self._expiry)
        self._refreshing = self._expiry = None
        self.interval = 0

    def end(self) -> None:
        """Stop for good: the session is over."""
        self.stop()
        self._refresh = self._expire = _ignore

    def answer(self, request: SipMessage, *, wanted: int, now: float) -> Headers:
        """We answer an INVITE or UPDATE with 2xx: begin. Returns the headers that go into the answer (clause 9)."""
        interval, refresher = session_expires(request)
        theirs = supports(request, "timer")
        if not interval:
            if not wanted:
                self.stop()
                return []
            self.start(wanted, refresher=True, now=now)
            return [("Session-Expires", f"{wanted};refresher=uas")]
        if not refresher:
            refresher = "uac" if theirs else "uas"
        self.start(interval, refresher=refresher == "uas", now=now)
        headers = [("Session-Expires", f"{interval};refresher={refresher}")]
        if refresher == "uac":
            headers.append(("Require", "timer"))
        return headers

    def answered(self, response: SipMessage, *, now: float) -> None:
        """Our INVITE or UPDATE was answered with 2xx: begin, or stop where the answer has no timer (clause 7.2)."""
        interval, refresher = session_expires(response)
        if interval:
            self.start(interval, refresher=refresher != "uas", now=now)
        else:
            self.stop()


def _ignore(now: float) -> None:
    """A session that is over is neither refreshed nor ended."""


def session_expires(message: SipMessage) -> tuple[int, str]:
    """Seconds and refresher of a Session-Expires; 0 where there is none that can be read."""
    value, _, parameters = (message.get("session-expires") or "").partition(";")
    refresher = ""
    for parameter in parameters.split(";"):
        name, _, given = parameter.partition("=")
        if name.strip().lower() == "refresher":
            refresher = given.strip().lower()
    return _seconds(value), refresher if refresher in {"uac", "uas"} else ""


def minimum_session_expires(message: SipMessage) -> int:
    """Seconds of a Min-SE; 0 for none."""
    return _seconds((message.get("min-se") or "").partition(";")[0])


def supports(message: SipMessage, extension: str) -> bool:
    """Whether Supported or Require name it."""
    return extension in _options(message, "supported") or extension in _options(message, "require")


def requires(message: SipMessage) -> list[str]:
    """Every option of Require, in lower case."""
    return _options(message, "require")


def _options(message: SipMessage, name: str) -> list[str]:
    fields = message.get_all(name)
    if not fields:
        # As in most messages, which are asked several times each.
        return []
    # Tokens, so that a quote means nothing here.
    return [option.strip().lower() for field in fields for option in field.split(",") if option.strip()]


def _seconds(text: str) -> int:
    text = text.strip()
    # A day is the longest that anybody means.
    return min(int(text), 86_400) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
