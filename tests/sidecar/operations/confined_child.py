"""Run by test_systemd_unit.py: puts the unit's restrictions in force on itself, then starts a real pool in it.

Its standard input is JSON: the system calls that the unit allows and the address families. It prints what worked.
"""

import asyncio
import ctypes
import errno
import json
import os
import socket
import sys
import tempfile

import pyseccomp

PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
NAMESPACES = 0x7E020080
"""CLONE_NEW* (clone(2)): time, mount, cgroup, UTS, IPC, user, PID, network."""


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def restrict(allowed: list[str]) -> None:
    """What systemd installs for SystemCallFilter, MemoryDenyWriteExecute, RestrictNamespaces (src/shared/
    seccomp-util.c) and RestrictAddressFamilies."""
    names = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in allowed:
        # The groups hold names of other architectures and of newer kernels.
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            names.add_rule(pyseccomp.ALLOW, name)
    names.load()
    details = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = pyseccomp.ERRNO(errno.EPERM)
    both = PROT_WRITE | PROT_EXEC
    details.add_rule(refused, "mmap", pyseccomp.Arg(2, pyseccomp.MASKED_EQ, both, both))
    details.add_rule(refused, "mprotect", pyseccomp.Arg(2, pyseccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    details.add_rule(refused, "pkey_mprotect", pyseccomp.Arg(2, pyseccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    details.add_rule(refused, "shmat", pyseccomp.Arg(2, pyseccomp.MASKED_EQ, SHM_EXEC, SHM_EXEC))
    details.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for bit in range(32):
        if NAMESPACES >> bit & 1:
            details.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 1 << bit, 1 << bit))
    details.add_rule(refused, "unshare")
    details.add_rule(refused, "setns")
    families = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
    for family in range(64):
        if family not in families:
            details.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.EQ, family))
    details.load()


async def serve() -> None:
    """What the daemon does with the kernel, loop and sockets first, then its workers."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        for server in (
            await asyncio.start_unix_server(lambda *_: None, path),
            await asyncio.start_server(lambda *_: None, "127.0.0.1", 0),
        ):
            server.close()
            await server.wait_closed()
        say("sockets")
        with open(f"{directory}/file", "w") as file:  # noqa: ASYNC230, PTH123 - the child's own order
            os.fchmod(file.fileno(), 0o660)
            os.chown(file.name, -1, os.getgid())
        say("files")
    await loop.run_in_executor(None, os.getpid)
    say("threads")

    from sandbox import engine  # noqa: PLC0415 - imported under the restrictions
    from sandbox.pool import Pool, PoolSettings  # noqa: PLC0415

    say(f"engine={engine.Context(True).idle}")
    pool = Pool(PoolSettings(workers=1, slow_workers=1))
    await pool.start()
    say(f"pool confined={pool.state().confined}")
    workers = [worker.process.pid for worker in pool._supervisor._workers.values()]
    batch = all(os.sched_getscheduler(pid) == os.SCHED_BATCH for pid in workers)
    niceness = sorted(os.getpriority(os.PRIO_PROCESS, pid) - os.nice(0) for pid in workers)
    say(f"workers batch={batch} niceness={niceness}")
    await pool.close()


def new_user_namespace() -> None:
    # os.unshare came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def main() -> None:
    given = json.load(sys.stdin)
    restrict(given["allowed"])
    for name, attempt in (
        ("namespaces", new_user_namespace),
        ("families", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
        ("users", lambda: os.setuid(1)),
    ):
        try:
            attempt()
        except OSError:
            say(f"refused {name}")
    import uvloop  # noqa: PLC0415 - imported under the restrictions

    uvloop.run(serve())


if __name__ == "__main__":
    main()
