"""What has ended, a decision or a call, to those who watch: the log, the metrics, connected sockets, the store."""

from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.logs.logger import ActionLogger

Record = TypeVar("Record")
_log = ActionLogger(__name__)


class Events(Generic[Record]):
    """Those who are told of one sort of record. An observer that raises keeps the record from none after it."""

    __slots__ = ("_observers", "_said", "failed")

    def __init__(self) -> None:
        self._observers: tuple[Callable[[Record], None], ...] = ()
        self._said: set[Callable[[Record], None]] = set()
        self.failed = 0
        """Records that an observer could not take."""

    def subscribe(self, observer: Callable[[Record], None]) -> None:
        """Have a function called with every record, in order of subscription."""
        self._observers += (observer,)

    def publish(self, record: Record, call_id: str) -> None:
        """Tell all observers. One that raises is a bug of ours: it is counted, logged the first time, and the call goes
        on."""
        for observer in self._observers:
            try:
                observer(record)
            except Exception:  # noqa: BLE001 - logged with its traceback; observers are no part of the call
                self.failed += 1
                if observer not in self._said:
                    self._said.add(observer)
                    _log.exception("observer_failed", call_id=call_id)
