"""Decision events to those who watch them: the log, the metrics, connected sockets."""

from collections.abc import Callable

from pyee import EventEmitter

from sidecar.logs.logger import ActionLogger
from sidecar.operations.records import DecisionRecord

_DECIDED = "decided"
_log = ActionLogger(__name__)


class DecisionEvents:
    """One emitter. 0.6 us with two observers (pyee 13), against 0.07 us for a bare loop over a tuple."""

    __slots__ = ("_emitter",)

    def __init__(self) -> None:
        self._emitter = EventEmitter()

    def on_decided(self, observer: Callable[[DecisionRecord], None]) -> None:
        """Have a function called with the record of every decision, in order of subscription."""
        self._emitter.on(_DECIDED, observer)

    def remove(self, observer: Callable[[DecisionRecord], None]) -> None:
        """Call this observer no more. Raises KeyError if it was not subscribed."""
        self._emitter.remove_listener(_DECIDED, observer)

    def decided(self, record: DecisionRecord) -> None:
        """Tell all observers. One that raises is a bug of ours: it is logged, and the call goes on."""
        try:
            self._emitter.emit(_DECIDED, record)
        except Exception:  # noqa: BLE001 - logged with its traceback; observers are no part of the call
            _log.exception("observer_failed", call_id=record.call_id)
