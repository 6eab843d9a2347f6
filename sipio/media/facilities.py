"""What the sessions of one engine have in common."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass

from sipio.media.library import SoundLibrary
from sipio.media.settings import MediaSettings
from sipio.media.sockets import PortRange
from sipio.media.ticker import Ticker


@dataclass(frozen=True, slots=True)
class Facilities:
    """Made by the engine, used by its sessions."""

    settings: MediaSettings
    loop: asyncio.AbstractEventLoop
    ticker: Ticker
    ports: PortRange
    library: SoundLibrary
    writers: Executor
    """Threads that write recordings."""
