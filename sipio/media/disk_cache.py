"""Files kept by key in one directory, up to a number of bytes. Blocking: for threads."""

import contextlib
import hashlib
import os
import secrets
import threading
import time
from pathlib import Path
from typing import BinaryIO, Final

_NEW: Final = ".new-"
_NEW_SECONDS: Final = 3_600
"""A file begun longer ago than this was left by a process that died."""


class DiskCache:
    """The file used longest ago goes first. Several processes may share a directory: files appear whole, by rename.

    It is a cache: what cannot be read is not there, and what cannot be written is not kept.
    """

    def __init__(self, directory: Path, capacity_bytes: int, suffix: str) -> None:
        self._directory: Final = directory
        self._capacity: Final = capacity_bytes
        self._suffix: Final = suffix
        self._lock: Final = threading.Lock()

    def path(self, key: str) -> Path:
        """Where the file of a key lies, if it does."""
        return self._directory / (hashlib.sha256(key.encode()).hexdigest() + self._suffix)

    def find(self, key: str) -> Path | None:
        """The file of a key, which now counts as used; None where there is none."""
        path = self.path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def begin(self) -> BinaryIO | None:
        """A file to write into, for `keep` or `discard`; None where none can be made."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            return (self._directory / f"{_NEW}{secrets.token_hex(16)}").open("xb")
        except OSError:
            return None

    def keep(self, key: str, file: BinaryIO) -> bool:
        """The file is whole. False where it could not be kept."""
        try:
            file.close()
            Path(file.name).rename(self.path(key))
        except OSError:
            self.discard(file)
            return False
        self._make_room()
        return True

    def discard(self, file: BinaryIO) -> None:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            Path(file.name).unlink()

    def _make_room(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            files = []
            for path in self._directory.glob(f"*{self._suffix}"):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    files.append((status.st_mtime_ns, status.st_size, path))
            for path in self._directory.glob(f"{_NEW}*"):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < time.time() - _NEW_SECONDS:
                        path.unlink()
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files):
                if total <= self._capacity:
                    return
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size
