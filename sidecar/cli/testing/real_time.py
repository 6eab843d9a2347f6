"""Time by the machine's clock, on a loop whose own time stands still and is put forward."""

import asyncio
import contextlib
import threading
from collections.abc import Callable


def after(seconds: float, then: Callable[[], None]) -> Callable[[], None]:
    """Have something done on this loop; what is given back calls it off."""
    loop = asyncio.get_running_loop()
    live = True

    def due() -> None:
        if live:
            then()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(due)

    def cancel() -> None:
        nonlocal live
        live = False
        timer.cancel()

    timer = threading.Timer(seconds, tell)
    timer.daemon = True
    timer.start()
    return cancel
