"""What a worker process gives up before it sees a script: descriptors, files, network, processes, memory without end.

The kernel holds each of these, so that a script that breaks out of the engine finds itself in a process that can
compute, answer on the one socket it was given, and die.
"""

import ctypes
import os
import platform
import resource
from functools import cache
from pathlib import Path
from typing import Final

from sandbox.clone import FLAGS
from sandbox.errors import ConfinementRefused

SYSTEM_CALLS: Final = (
    "recvfrom",
    "sendto",
    "ppoll" if platform.machine() == "aarch64" else "poll",
    "brk",
    "mmap",
    "munmap",
    "mprotect",
    "mremap",
    "madvise",
    "clock_gettime",
    "getrusage",
    "setitimer",
    "futex",
    "rt_sigreturn",
    "exit_group",
)
"""All that the worker's loop was seen to need, of PROTECTING without PROT_EXEC. Any other kills the process."""
PROTECTING: Final = {"mmap", "mprotect"}

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NAME: Final = 15
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38

PARENT_SYSTEM_CALLS: Final = (
    # To take an order, with its descriptors, and to map the page.
    "recvmsg",
    "close",
    "fcntl",
    "fstat",
    "newfstatat",
    # Of the worker before its own filter closes, which this one is in force beside.
    "getppid",
    "gettid",
    "getrandom",
    "getpriority",
    "setpriority",
    "sched_setscheduler",
    "dup3",
    "close_range",
    "getsockname",
    "prlimit64",
)
"""What the workers' parent may call beside SYSTEM_CALLS: none opens a file or a connection, nor starts a program or
signals one."""
PARENT_CALLS_WITH: Final = {"clone": (FLAGS,), "prctl": (_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_SECCOMP)}
"""And with one of these as the first argument."""

_SECCOMP_MODE_FILTER: Final = 2
_INSTRUCTION_BYTES: Final = 8
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
        _limit(limit, value)


def drop_capabilities() -> None:
    """Give up what root may do: under a daemon run by root, madvise(2) alone could poison the machine's memory."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted and inheritable, twice 32 bits each: none.
    _check("capset", _libc().capset(header, (ctypes.c_uint32 * 6)()))


def limit_parent(open_files: int) -> None:
    """Bound what the workers' parent, and with it each worker, may have: no core dumps, no files of any size."""
    for limit, value in (
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _limit(limit, value)


def _limit(limit: int, value: int) -> None:
    """To no more than this; to less where whoever started the daemon allows it less."""
    hard = resource.getrlimit(limit)[1]
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (lowest, lowest))


def call_itself(name: str) -> None:
    """Give this process a name in the process table, of up to 15 bytes."""
    _check("prctl", _libc().prctl(_PR_SET_NAME, name.encode(), 0, 0, 0))


def worker_filter() -> bytes:
    """The seccomp filter of a worker, not yet in force, as the kernel's instructions.

    Raises ConfinementRefused where libseccomp is missing or the process has a second thread: capabilities and
    no_new_privs are each thread's own, so it would stay free.
    """
    return _built(SYSTEM_CALLS, {})


def parent_filter() -> bytes:
    """The seccomp filter of the workers' parent. Raises ConfinementRefused as `worker_filter` does."""
    return _built(SYSTEM_CALLS + PARENT_SYSTEM_CALLS, PARENT_CALLS_WITH)


def _built(names: tuple[str, ...], with_first: dict[str, tuple[int, ...]]) -> bytes:
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError as error:
        raise ConfinementRefused(f"the process's threads cannot be counted: {error}") from error
    if threads != 1:
        raise ConfinementRefused(f"the process has {threads} threads, of which only one can be confined")
    try:
        import pyseccomp  # noqa: PLC0415 - absent where confinement is not required
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfinementRefused(f"libseccomp cannot be loaded: {error}") from error
    try:
        syscall_filter = pyseccomp.SyscallFilter(pyseccomp.KILL_PROCESS)
        for name in names:
            if name in PROTECTING:
                # The engine has no compiler: memory that can be executed is only ever an attack. What mprotect may do
                # beyond that, mmap at a fixed address may as well.
                condition = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0)
                syscall_filter.add_rule(pyseccomp.ALLOW, name, condition)
            else:
                syscall_filter.add_rule(pyseccomp.ALLOW, name)
        for name, allowed in with_first.items():
            for value in allowed:
                syscall_filter.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(0, pyseccomp.EQ, value))
        with os.fdopen(os.memfd_create("seccomp", os.MFD_CLOEXEC), "w+b") as file:
            syscall_filter.export_bpf(file)
            file.seek(0)
            return file.read()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfinementRefused(f"the seccomp filter cannot be built: {error}") from error


class _Program(ctypes.Structure):
    """The kernel's ``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_system_calls(syscall_filter: bytes) -> None:
    """Put a filter in force. Raises ConfinementRefused where the kernel or the container does not allow it."""
    program = _Program(len(syscall_filter) // _INSTRUCTION_BYTES, syscall_filter)
    try:
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
    except OSError as error:
        raise ConfinementRefused(f"the kernel refused the seccomp filter: {error}") from error


def forbid_privileges() -> None:
    """Let neither this process nor any that comes of it gain rights, nor be looked into. Raises OSError."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int, address: int = 0) -> None:
    arguments = (ctypes.c_ulong(value), ctypes.c_ulong(address), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(f"prctl {option}", _libc().prctl(option, *arguments))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(what: str, result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
