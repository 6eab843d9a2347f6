"""What has ended, a decision or a call, to those who watch: the log, the metrics, connected sockets, the store."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from pyee import EventEmitter

from sidecar.logs.logger import ActionLogger

Record = TypeVar("Record")
_ENDED: Final = "ended"
_log = ActionLogger(__name__)


class Events(Generic[Record]):
    """One emitter of one sort of record. 0.6 us with two observers (pyee 13), against 0.07 us for a bare loop over a
    tuple."""

    __slots__ = ("_emitter",)

    def __init__(self) -> None:
        self._emitter = EventEmitter()

    def subscribe(self, observer: Callable[[Record], None]) -> None:
        """Have a function called with every record, in order of subscription."""
        self._emitter.on(_ENDED, observer)

    def publish(self, record: Record, call_id: str) -> None:
        """Tell all observers. One that raises is a bug of ours: it is logged, and the call goes on."""
        try:
            self._emitter.emit(_ENDED, record)
        except Exception:  # noqa: BLE001 - logged with its traceback; observers are no part of the call
            _log.exception("observer_failed", call_id=call_id)
