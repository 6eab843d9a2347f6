"""A response that waits to be confirmed: a 2xx to INVITE by its ACK, a reliable 1xx by its PRACK."""

from collections.abc import Callable
from typing import Final

from sipio.sip.settings import TimerValues
from sipio.sip.timers import Timer, Timers
from sipio.sip.transaction import ServerTransaction


class PendingResponse:
    """A response sent again, from T1 doubling, until somebody confirms it or 64*T1 have gone by.

    A 2xx is (interval at most T2), on any transport, since the next hop may be the end of a reliable one;
    and so is a reliable provisional one (RFC 3262 clause 3, no greatest interval).
    """

    __slots__ = ("_data", "_gave_up", "_interval", "_maximum", "_repetition", "_timeout", "_timers", "_transaction")

    def __init__(
        self,
        timers: Timers,
        values: TimerValues,
        transaction: ServerTransaction,
        data: bytes,
        *,
        doubles_for_ever: bool,
        gave_up: Callable[[float], None],
        now: float,
    ) -> None:
        self._timers: Final = timers
        self._transaction: Final = transaction
        self._data: Final = data
        self._maximum: Final = values.transaction if doubles_for_ever else values.t2
        self._interval = values.t1
        self._gave_up: Final = gave_up
        self._repetition: Timer = timers.start(now + values.t1, self._repeat)
        self._timeout: Final = timers.start(now + values.transaction, self._time_out)

    def stop(self) -> None:
        """It was confirmed, or no longer matters."""
        self._timers.cancel(self._repetition)
        self._timers.cancel(self._timeout)

    def _repeat(self, now: float) -> None:
        self._transaction.repeat(self._data)
        self._interval = min(self._interval * 2, self._maximum)
        self._repetition = self._timers.start(now + self._interval, self._repeat)

    def _time_out(self, now: float) -> None:
        self.stop()
        self._gave_up(now)
