"""The file that images lie in, as the daemon has it."""

import os
import threading

import pytest

from sandbox.image_file import ImageFile


def test_it_is_closed_also_where_there_is_no_thread_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    file = ImageFile(4096)
    descriptor = file.descriptor
    os.fstat(descriptor)
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
