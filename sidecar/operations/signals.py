"""SIGTERM and SIGINT end the daemon, SIGHUP reloads it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from sidecar.errors import RefusedCatalogError, SidecarError
from sidecar.logs.logger import ActionLogger
from sidecar.operations.notify import Notifier
from sidecar.operations.shutdown import Shutdown

_log = ActionLogger(__name__)


class Reloads:
    """Runs one reload at a time, told to the service manager; those asked for meanwhile become one more.

    ``reload`` gives one line of status, or raises SidecarError if what is running stays.
    """

    def __init__(self, reload: Callable[[], Awaitable[str]], notifier: Notifier) -> None:
        self._reload = reload
        self._notifier = notifier
        self._again = False
        self._held = False
        self._task: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Reload soon. Asked during one, once more after it: files may have changed since it read them."""
        if self._task is None and not self._held:
            self._task = asyncio.get_running_loop().create_task(self._run())
        else:
            self._again = True

    def hold(self) -> None:
        """Put off what is asked for until `release`: the service manager takes the end of a reload for a start's."""
        self._held = True

    def release(self) -> None:
        """Reload from now on, and at once where that was asked for meanwhile."""
        self._held = False
        if self._again:
            self.request()

    async def settled(self) -> None:
        """Return once no reload is under way."""
        while self._task is not None:
            await asyncio.wait((self._task,))

    async def stop(self) -> None:
        """Cancel a reload under way."""
        if self._task is not None:
            self._again = False
            self._task.cancel()
            await self.settled()

    async def _run(self) -> None:
        try:
            while True:
                self._again = False
                # Sent for each pass: systemd ends a reload only by a READY=1 after a RELOADING=1 younger than
                # its own request (systemd.service(5), Type=notify-reload).
                self._notifier.reloading()
                status = await self._once()
                if not self._again:
                    self._notifier.ready(status)
                    return
        finally:
            self._task = None

    async def _once(self) -> str:
        try:
            return await self._reload()
        except SidecarError as error:
            if not isinstance(error, RefusedCatalogError):  # whose problems have been logged, one by one
                _log.error("reload_failed", error=str(error))
            return f"reload failed, the former version runs on: {error}"
        except Exception as error:  # noqa: BLE001 - logged with its traceback, and said in the status
            _log.exception("reload_failed")
            return f"reload failed, the former version runs on: {error}"


class Signals:
    """Installs the handlers of the process."""

    def __init__(self, shutdown: Shutdown, reloads: Reloads) -> None:
        self._shutdown = shutdown
        self._reloads = reloads

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle SIGTERM, SIGINT and SIGHUP in this loop, which must be the main thread's."""
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._shutdown.request, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def remove(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the signals their defaults back."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def _hang_up(self) -> None:
        if not self._shutdown.requested:
            self._reloads.request()
