"""The file of a recording: nothing that is there is written over, by whatever call and on whatever switch."""

import datetime
import os
import secrets
from typing import Final

from msgspec import structs

from sipio.call_control import Record

SHARED: Final = 0o660
"""A switch that writes the file itself is another user, of a group in common."""


class ReservedRecording:
    """A recording with a file that nothing else has: an empty one is made, which whoever records then fills."""

    def __init__(self, asked: Record, *, driver: str) -> None:
        """``driver`` is `CallOffer.driver`."""
        self._made = False
        try:
            self.action = self._reserve(asked)
        except OSError:
            # No place of this machine's. A switch may have it on its own, and be given a name that was never given
            # before; who writes here says what is wrong.
            self.action = asked if driver == "sip" else _another(asked)

    def _reserve(self, asked: Record) -> Record:
        asked.path.parent.mkdir(parents=True, exist_ok=True)
        action = asked
        while not self._made:
            try:
                os.close(os.open(action.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, SHARED))
                self._made = True
            except FileExistsError:
                action = _another(asked)
        return action

    @property
    def file(self) -> str:
        """Its file, in words of the script: below its customer's folder."""
        name, suffix = self.action.name.removeprefix("user/"), self.action.path.suffix
        return name if name.endswith(suffix) else name + suffix

    def release(self) -> None:
        """Give the name back, unless something was recorded under it."""
        try:
            if self._made and not self.action.path.stat().st_size:
                self.action.path.unlink()
        except OSError:
            # Gone already, or out of reach by now: nothing is lost by a name that stays taken.
            return


def _another(asked: Record) -> Record:
    """The same recording by a name of its own: with the time, for people, and so much chance that it is free."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    mark = f"-{now}-{secrets.token_hex(4)}"
    suffix = asked.path.suffix
    return structs.replace(
        asked,
        name=asked.name.removesuffix(suffix) + mark + (suffix if asked.name.endswith(suffix) else ""),
        path=asked.path.with_name(f"{asked.path.stem}{mark}{suffix}"),
    )
