"""What the sessions of one engine share: clock, ports, sounds, threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from sipio.media.library import SoundLibrary
from sipio.media.readiness import Readiness
from sipio.media.settings import MediaSettings
from sipio.media.sockets import PortRange
from sipio.media.ticker import Ticker


@dataclass(frozen=True, slots=True)
class MediaResources:
    """Made by the engine, used by its sessions."""

    settings: MediaSettings
    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    """Gives steady seconds."""
    ticker: Ticker
    readiness: Readiness
    ports: PortRange
    library: SoundLibrary
    writers: Executor
    """Threads that write recordings."""
    recordings: set[asyncio.Future[None]] = field(default_factory=set)
    """One for each recording that is not complete on disk; done when it is."""
