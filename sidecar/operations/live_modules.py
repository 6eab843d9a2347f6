"""The npm modules that a process gives to scripts: those that are installed, also while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from sidecar.errors import SidecarError
from sidecar.hosts.grants import read_packages
from sidecar.hosts.node.packages import Packages
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.npm.store import state_of
from sidecar.operations.following_part import FollowingPart

_log = ActionLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between two looks at one file: what is installed is there within a second."""
AGAIN_SECONDS: Final = 5.0
"""Before what could not be read or used is tried again: each time all texts are read, and the catalog is loaded."""


class LiveModules(FollowingPart):
    """The part of a process that looks whether something was installed or removed. ``use`` is given all that there is
    then, in the event loop; where it raises SidecarError it is given it again.

    To be made before anybody reads what is installed, so that nothing that changes after that is missed.
    """

    name = "modules"

    def __init__(self, directory: Path, use: Callable[[Packages], Awaitable[None]]) -> None:
        fault = Fault(_log, "modules_not_read", "modules_read_again")
        super().__init__(fault, "what is installed cannot be read, see the log", LOOK_SECONDS)
        self._directory = directory
        self._use = use
        self._known = state_of(directory)
        self._looking = asyncio.Lock()

    async def look_again(self) -> None:
        """Take over what was installed or removed until now. What cannot be read, or not be used, is logged, and what
        there was stays."""
        async with self._looking:
            try:
                now = await asyncio.to_thread(state_of, self._directory)
                if now == self._known:
                    self._fault.found("")
                    return
                packages = await asyncio.to_thread(read_packages, self._directory)
                await self._use(packages)
            except SidecarError as error:
                self._fault.found(str(error))
                return
            self._known = now
            self._fault.found("")
            _log.info("modules_read", texts=len(packages.installed()))

    @property
    def pause_seconds(self) -> float:
        """Longer where the last look found what cannot be read."""
        return AGAIN_SECONDS if self._fault.text else super().pause_seconds

    def state(self) -> PartState:
        """What cannot be read is said in the details: scripts run on with what there was."""
        return PartState(details={"modules_problem": self._fault.text} if self._fault.text else {})
