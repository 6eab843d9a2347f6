"""What a confined process can still do, tried from the inside with Python rather than JavaScript."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sandbox import boot, parent_process
from sandbox.engine import ADDRESSES
from sandbox.errors import WorkerFailed
from sandbox.image_file import store_bytes
from sandbox.parent import _import_path
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from tests.sandbox.support import SMALL, running_pool, until

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = """
import sys
sys.path[:] = {path!r}
import ctypes, mmap, os, resource, signal, socket, threading
from sandbox import clone, confinement
libc = ctypes.CDLL(None, use_errno=True)
libc.getpid, libc.ptrace, libc.prctl, libc.syscall, libc.clone, libc.process_vm_readv
system_calls = confinement.{who}_filter()
descriptor = os.dup({keep})
confinement.keep_only(descriptor)
link = socket.socket(fileno=0)
confinement.drop_capabilities()
if "{who}" == "worker":
    confinement.limit_resources(1_000_000_000)
else:
    confinement.limit_parent(16)
confinement.forbid_privileges()
confinement.forbid_system_calls(system_calls)
link.send(b"confined")
try:
    {attempt}
except BaseException as error:
    link.send(type(error).__name__.encode())
    os._exit(3)
link.send(b"done")
os._exit(0)
"""


def _attempt(code: str, who: str = "worker") -> tuple[int, bytes]:
    """How a confined process that tries this ends, and what it said."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            source = INSIDE.format(path=_import_path(), keep=theirs.fileno(), attempt=code, who=who)
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", source],
                pass_fds=[theirs.fileno()],
                env={},
                stderr=subprocess.DEVNULL,
            )
        ours.settimeout(20)
        said = b""
        while received := ours.recv(1000):
            said += received
    return process.wait(20), said


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "os.open('/dev/null', os.O_RDONLY)",
        "os.listdir('/')",
        "os.stat('/')",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
        "socket.socketpair()",
        "link.sendmsg([b'x'])",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), signal.SIGTERM)",
        "os.kill(0, 0)",
        "libc.ptrace(0, 0, 0, 0)",
        "libc.prctl(4, 1, 0, 0, 0)",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "libc.mprotect(0, 4096, 7)",
        "threading.Thread(target=print).start()",
        "os.dup(0)",
        "os.pipe()",
        "os.memfd_create('x')",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
        "os.setuid(0)",
        "os.write(0, b'x')",
        "os.unlink('/tmp/x')",
        "libc.syscall(425, 1, 0)",  # io_uring_setup
    ],
)
def test_it_dies_of_what_it_may_not_do(code: str) -> None:
    assert _attempt(code) == (-signal.SIGSYS, b"confined")


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd')",
        "os.listdir('/proc')",
        "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
        "socket.socketpair()",
        "socket.send_fds(link, [b'x'], [0])",
        "link.connect('/run/x')",
        "os.fork()",
        "libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0)",  # clone, CLONE_PARENT alone
        "libc.syscall(56, 0x10000000 | 0x8000 | 0x100000, 0, 0, 0, 0)",  # CLONE_NEWUSER beside what is allowed
        "libc.syscall(56, 0x100 | 0x8000 | 0x100000, 0, 0, 0, 0)",  # CLONE_VM
        "libc.syscall(435, 0, 0)",  # clone3
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), signal.SIGKILL)",
        "signal.pidfd_send_signal(0, signal.SIGKILL)",
        "libc.ptrace(16, os.getppid(), 0, 0)",
        "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
        "libc.syscall(438, 0, 0, 0)",  # pidfd_getfd
        "libc.prctl(4, 1, 0, 0, 0)",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "libc.mprotect(0, 4096, 7)",
        "threading.Thread(target=print).start()",
        "os.memfd_create('x')",
        "os.setuid(0)",
        "os.write(0, b'x')",
        "os.read(0, 1)",
        "libc.syscall(425, 1, 0)",  # io_uring_setup
        "libc.syscall(317, 1, 0, 0)",  # seccomp
    ],
)
def test_what_forks_workers_dies_of_what_that_does_not_take(code: str) -> None:
    assert _attempt(code, "parent") == (-signal.SIGSYS, b"confined")


def test_what_forks_workers_may_have_siblings_of_its_own_and_confine_them() -> None:
    confines = "page = mmap.mmap(-1, 4096); address = ctypes.addressof(ctypes.c_char.from_buffer(page)); "
    # Its sibling is this process's child, which is waited for here.
    code = confines + "clone.fork_sibling(address) or os._exit(7); link.send(page[:4])"
    status, said = _attempt(code, "parent")
    assert status == 0
    child = int.from_bytes(said.removeprefix(b"confined")[:4], "little")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_it_may_compute_and_answer() -> None:
    assert _attempt("bytearray(50_000_000)") == (0, b"confineddone")


def test_its_memory_ends() -> None:
    assert _attempt("bytearray(2_000_000_000)") == (3, b"confinedMemoryError")


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}


def _children(name: str = "") -> list[int]:
    """Process ids of this process's children, or of those that call themselves so."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8")
    pids = [int(pid) for pid in text.split()]
    return [pid for pid in pids if name in ("", Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").rstrip())]


async def test_a_live_worker_as_the_kernel_sees_it() -> None:
    before = set(_children())
    async with running_pool():
        workers = set(_children(boot.NAME)) - before
        assert len(workers) == 3
        for pid in workers:
            _check(pid)


async def test_what_they_are_forked_from_as_the_kernel_sees_it() -> None:
    before = set(_children())
    async with running_pool():
        [pid] = set(_children()) - before - set(_children(boot.NAME))
        _check_parent(pid)


def _check_parent(pid: int) -> None:
    assert Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").rstrip() == parent_process.NAME
    _check_privileges(pid)
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    _check_limits(limits, {"Max file size": "0", "Max core file size": "0", "Max open files": "16"})
    if os.geteuid() == 0:
        links = {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        assert links.pop("3").startswith("socket:")
        assert links == dict.fromkeys("012", "/dev/null")
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        # No worker's page: what a worker writes is nowhere to be read here.
        assert "scriptforge-worker" not in mapped
        # Nor any worker's images.
        assert "scriptforge-images" not in mapped


async def test_a_worker_that_is_woken_lets_its_waker_finish() -> None:
    before = set(_children())
    async with running_pool(PoolSettings(workers=1, slow_workers=1)):
        policies = {os.sched_getscheduler(pid) for pid in set(_children(boot.NAME)) - before}
    assert policies == {os.SCHED_BATCH}


def _check_privileges(pid: int) -> None:
    status = _status(pid)
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Threads"] == "1"
    for capabilities in ("CapInh", "CapPrm", "CapEff"):
        assert int(status[capabilities], 16) == 0


def _check_limits(limits: str, most: dict[str, str]) -> None:
    for name, value in most.items():
        line = next(line for line in limits.splitlines() if line.startswith(name))
        assert line.removeprefix(name).split()[:2] == [value, value]


def _check(pid: int) -> None:
    _check_privileges(pid)
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    _check_limits(
        limits,
        {
            "Max processes": "0",
            "Max open files": "1",
            "Max file size": "0",
            "Max core file size": "0",
            "Max address space": str(
                WorkerSettings().memory_bytes + ADDRESSES + store_bytes(WorkerSettings().memory_bytes)
            ),
        },
    )
    if os.geteuid() == 0:
        # Of an undumpable process only root may look at these.
        assert [entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()] == ["0"]
        assert str(Path(f"/proc/{pid}/fd/0").readlink()).startswith("socket:")
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        # Its own page and images alone, and none of it to be executed.
        mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
        for name in ("memfd:scriptforge-worker", "memfd:scriptforge-images"):
            assert [line.split()[1] for line in mapped if name in line] == ["rw-s"]


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_nothing_of_the_daemons_environment_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "do-not-tell")
    before = set(_children())
    async with running_pool():
        for pid in set(_children()) - before:
            assert b"do-not-tell" not in _command_line(pid)


async def test_workers_die_with_the_daemon() -> None:
    source = textwrap.dedent("""
        import asyncio, sys
        from sandbox.pool import Pool, PoolSettings
        async def main():
            pool = Pool(PoolSettings(workers=1, slow_workers=0))
            await pool.start()
            from pathlib import Path
            import os
            print(Path(f"/proc/self/task/{os.getpid()}/children").read_text(), flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """)
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    async with asyncio.timeout(20):
        workers = [int(pid) for pid in (await daemon.stdout.readline()).split()]
    assert len(workers) == 3  # one worker, the spare, and what they are forked from
    daemon.kill()
    await daemon.wait()
    await until(lambda: not any(_alive(pid) for pid in workers))


def _alive(pid: int) -> bool:
    try:
        return _status(pid)["State"][0] not in "ZX"
    except OSError:
        return False


REFUSING = """
import asyncio, ctypes, pyseccomp, sys
libc = ctypes.CDLL(None)
# As in a container whose own filter forbids more filters.
refusing = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
refusing.add_rule(pyseccomp.ERRNO(1), "seccomp")
refusing.add_rule(pyseccomp.ERRNO(1), "prctl", pyseccomp.Arg(0, pyseccomp.EQ, 22))
refusing.load()
from sandbox.errors import ConfinementRefused
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from tests.sandbox.support import FINE, value
async def main():
    pool = Pool(PoolSettings(workers=1, slow_workers=0, worker=WorkerSettings(require_confinement={required})))
    try:
        await pool.start()
    except ConfinementRefused as error:
        print("refused:", error)
        return
    print("serves", await value(pool, FINE, 5), "confined", pool.state().confined)
    await pool.close()
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("required", "says"),
    [(True, "refused: the seccomp filter cannot be built"), (False, "serves 5 confined False")],
)
def test_a_kernel_that_refuses(required: bool, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REFUSING.format(required=required)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout.startswith(says)
    assert ("worker_unconfined" in done.stderr) is not required
    assert "Traceback" not in done.stderr


async def test_a_refused_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(_children())
    monkeypatch.setattr("sandbox.parent._BOOT", "pass")
    pool = Pool(SMALL)
    with pytest.raises(WorkerFailed, match="ended before it was ready: exit 0"):
        await pool.start()
    assert set(_children()) == before
