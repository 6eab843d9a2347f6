"""A fork whose child is not the caller's own but its sibling: its parent is the caller's parent.

So the daemon waits for its workers itself, though another process forks them. `os.fork` cannot do it, nor may
clone3(2) be used, whose flags no seccomp filter can read: systemd's RestrictNamespaces= and containers refuse it.
"""

import ctypes
import os
import platform
from typing import Final

CLONE_PARENT: Final = 0x8000
CLONE_PARENT_SETTID: Final = 0x100000
FLAGS: Final = CLONE_PARENT | CLONE_PARENT_SETTID
"""None names a signal for its end: with CLONE_PARENT that is the caller's own."""
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
"""The number of clone(2), whose first three arguments stand in the same order on both."""

# PyDLL: the interpreter's lock is held throughout, as os.fork holds it.
_libc: Final = ctypes.PyDLL(None, use_errno=True)
# Looked up here, once, and not in each child.
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long
_before: Final = ctypes.pythonapi.PyOS_BeforeFork
_after_in_child: Final = ctypes.pythonapi.PyOS_AfterFork_Child
_after_in_parent: Final = ctypes.pythonapi.PyOS_AfterFork_Parent


def fork_sibling(pid_address: int) -> int:
    """Fork this process, which must have one thread: 0 in the child, its process id here.

    The kernel writes that id to the four bytes at ``pid_address`` before the child runs, so that whoever shares that
    memory knows of the child even if this process is killed at once. Raises OSError.
    """
    number = _CLONE.get(platform.machine())
    if number is None:
        raise OSError(f"no worker can be forked on {platform.machine()}")
    # glibc's own preparation for a fork is for processes with threads; the interpreter's is done as os.fork does it.
    _before()
    pid: int = _syscall(ctypes.c_long(number), ctypes.c_ulong(FLAGS), None, ctypes.c_void_p(pid_address), None, None)
    if pid == 0:
        _after_in_child()
        return 0
    error = ctypes.get_errno()
    _after_in_parent()
    if pid < 0:
        raise OSError(error, f"clone(2) with CLONE_PARENT: {os.strerror(error)}")
    return pid
