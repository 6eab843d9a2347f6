"""What a worker process gives up before it sees a script: descriptors, files, network, processes, memory without end.

The kernel holds each of these, so that a script that breaks out of the engine finds itself in a process that can
compute, answer on the one socket it was given, and die.
"""

import ctypes
import os
import resource
from pathlib import Path
from typing import Any, Final

from sandbox.errors import ConfinementRefused

SYSTEM_CALLS: Final = (
    "recvfrom",
    "sendto",
    "poll",
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "madvise",
    "clock_gettime",
    "getrusage",
    "setitimer",
    "futex",
    "rt_sigreturn",
    "exit_group",
)
"""All that the worker's loop was seen to need; mmap only without PROT_EXEC. Any other kills the process."""

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9
_PROT_EXEC: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522


def keep_only(descriptor: int) -> int:
    """Close every descriptor but one, standard input, output and error among them. The one becomes 0."""
    os.dup2(descriptor, 0, inheritable=False)
    os.closerange(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return 0


def die_with_parent() -> None:
    """Have the kernel kill this process when the daemon dies, whatever it is doing."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def limit_resources(memory_bytes: int) -> None:
    """Bound memory; forbid new processes, files of any size, new descriptors and core dumps."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        # Descriptor 0 is the link and the only one: poll(2) refuses to watch more descriptors than this limit.
        (resource.RLIMIT_NOFILE, 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def drop_capabilities() -> None:
    """Give up what root may do: under a daemon run by root, madvise(2) alone could poison the machine's memory."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, twice 32 bits each: none.
    _check("capset", _libc().capset(header, (ctypes.c_uint32 * 6)()))


def system_call_filter() -> Any:
    """Build the seccomp filter, not yet in force. Needs files, so it comes before the limits.

    Raises ConfinementRefused where libseccomp is missing, the kernel has no seccomp, or the process has a second
    thread: capabilities and no_new_privs are each thread's own, so it would stay free.
    """
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError as error:
        raise ConfinementRefused(f"the worker's threads cannot be counted: {error}") from error
    if threads != 1:
        raise ConfinementRefused(f"the worker has {threads} threads, of which only one can be confined")
    try:
        import pyseccomp  # noqa: PLC0415 - absent where confinement is not required
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfinementRefused(f"libseccomp cannot be loaded: {error}") from error
    try:
        syscall_filter = pyseccomp.SyscallFilter(pyseccomp.KILL_PROCESS)
        syscall_filter.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)
        for name in SYSTEM_CALLS:
            if name == "mmap":
                # The engine has no compiler: memory that can be executed is only ever an attack.
                condition = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0)
                syscall_filter.add_rule(pyseccomp.ALLOW, name, condition)
            else:
                syscall_filter.add_rule(pyseccomp.ALLOW, name)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfinementRefused(f"the seccomp filter cannot be built: {error}") from error
    return syscall_filter


def forbid_system_calls(syscall_filter: Any) -> None:
    """Put the filter in force. Raises ConfinementRefused where the kernel or the container does not allow it."""
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)
        syscall_filter.load()
    except (OSError, RuntimeError) as error:
        raise ConfinementRefused(f"the kernel refused the seccomp filter: {error}") from error


def _prctl(option: int, value: int) -> None:
    _check(f"prctl {option}", _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(what: str, result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
