"""The process that examines long scripts, one after the other: `python -m sidecar.language.examining`."""

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from sidecar.language.examination import examine
from sidecar.language.examination_messages import LENGTH, Asking, answering


def main() -> None:
    """Answer on standard output what is asked on standard input, until that ends."""
    with contextlib.suppress(OSError):
        # For want of memory the kernel is to end this one, which is replaced, and not who asks.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Whatever else is written would be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asking = Asking()
    answers.write(LENGTH.pack(0))
    answers.flush()
    while (message := _read(sys.stdin.buffer)) is not None:
        asked = asking.take(message)
        if asked is None:
            continue
        asking = Asking()
        for answer in answering(examine(asked)):
            answers.write(answer)
        answers.flush()


def _read(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return source.read(LENGTH.unpack(head)[0])


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
