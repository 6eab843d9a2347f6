"""How a process of ours ended."""

import contextlib
import os
import signal
from typing import Final

OUT_OF_MEMORY: Final = 77
"""Of a worker whose interpreter, not a script's own heap, ran out of memory."""
FAILED: Final = 70
"""Of a worker whose own code raised; its last words say what."""


def is_child(pidfd: int) -> bool:
    """Whether the process is our own child, which nobody has waited for."""
    try:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def kill_child(pid: int) -> None:
    """End a child and wait for it; nothing where it is none of ours."""
    with contextlib.suppress(OSError, OverflowError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def wait(pidfd: int) -> int:
    """Wait for a child. What ``Popen.returncode`` would be: negative for a signal."""
    ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    assert ended is not None  # noqa: S101 - only of a wait that does not wait
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def cause(exit_code: int) -> str:
    """``SIGSEGV`` or ``exit 1``."""
    if exit_code < 0:
        try:
            return signal.Signals(-exit_code).name
        except ValueError:
            return f"signal {-exit_code}"
    return f"exit {exit_code}"
