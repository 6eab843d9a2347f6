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

    __slots__ = ("_call_id", "_emitter", "failed")

    def __init__(self) -> None:
        self._emitter = EventEmitter()
        self._call_id = ""
        self.failed = 0
        """Records that an observer could not take."""

    def subscribe(self, observer: Callable[[Record], None]) -> None:
        """Have a function called with every record, in order of subscription, whatever becomes of the others.

        One that raises is a bug of ours: it is counted, logged the first time, and the call goes on.
        """
        said = False

        def guarded(record: Record) -> None:
            nonlocal said
            try:
                observer(record)
            except Exception:  # noqa: BLE001 - logged with its traceback; observers are no part of the call
                self.failed += 1
                if not said:
                    said = True
                    _log.exception("observer_failed", call_id=self._call_id)

        self._emitter.on(_ENDED, guarded)

    def publish(self, record: Record, call_id: str) -> None:
        """Tell all observers."""
        self._call_id = call_id
        self._emitter.emit(_ENDED, record)
