"""The machine's own table of names (``/etc/hosts``), which goes before DNS."""

from pathlib import Path
from typing import Final

from sipio.sip.address import is_ip_address

BYTES: Final = 1_048_576
"""Read at most: some tables block tens of thousands of names; what is past this is not looked at."""


class HostsFile:
    """The table as a dictionary, read again when the file has changed."""

    __slots__ = ("_addresses", "_changed", "_path")

    def __init__(self, path: Path = Path("/etc/hosts")) -> None:
        self._path: Final = path
        self._changed = -1
        self._addresses: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """The addresses of a name in lower case, in the file's order; empty for one that is not in it."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._changed:
                self._addresses = self._read()
                self._changed = changed
        except OSError:
            return []
        return self._addresses.get(name, [])

    def _read(self) -> dict[str, list[str]]:
        with self._path.open("rb") as file:
            text = file.read(BYTES).decode("utf-8", "replace")
        found: dict[str, list[str]] = {}
        for line in text.splitlines():
            address, *names = line.partition("#")[0].split() or [""]
            if is_ip_address(address):
                for name in names:
                    found.setdefault(name.lower(), []).append(address)
        return found
