"""esbuild, the static program that npm's registry has for each machine: run on files that were checked, with flags."""

import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Final

from sidecar.npm.errors import BundleError
from sidecar.npm.store import TEXT_BYTES
from sidecar.npm.tree import Unpacked

PACKAGE_PREFIX: Final = "@esbuild/"
SECONDS: Final = 120.0
"""For one module; the largest of the known ones takes 0.2."""
MEMORY_BYTES: Final = 4_000_000_000
"""Of its data; it takes 200,000,000 for soap."""
CAPTURED_BYTES: Final = 4_000
"""Of what it says is wrong."""
FLAGS: Final = (
    "--bundle",
    "--platform=node",
    "--format=cjs",
    "--target=es2022",
    "--charset=utf8",
    # Names stay: they are in the messages and stacks that an author reads.
    # An error of a class that is called as another one is told apart by its name.
    "--keep-names",
    "--minify-whitespace",
    "--minify-syntax",
    "--legal-comments=none",
    "--log-level=error",
    "--log-limit=5",
    "--color=false",
    "--loader:.node=empty",
    # In place of a tsconfig.json, of a package or in a folder above.
    "--tsconfig-raw={}",
)


def executable_of(package: Unpacked) -> Path:
    """The program in the package of this machine, made executable. Raises BundleError where it has none."""
    program = package.folder / "bin" / "esbuild"
    if not program.is_file():
        raise BundleError(f"{package.label}: has no program bin/esbuild")
    program.chmod(0o700)
    return program


def run_esbuild(program: Path, folder: Path, *arguments: str) -> None:
    """Run it in a folder. Raises BundleError with what it says where it fails, takes too long or too much.

    It is given no environment but the folder for its files: no plugin, no configuration of the machine's has a say.
    """
    environment = {"PATH": "", "HOME": str(folder), "TMPDIR": str(folder), "GOMEMLIMIT": str(MEMORY_BYTES // 2)}
    log = folder / "esbuild.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [program, *FLAGS, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _bound(process.pid)
        status = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise BundleError(f"esbuild is not at its end after {SECONDS:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status != 0:
        with log.open("rb") as opened:
            said = opened.read(CAPTURED_BYTES).decode(errors="replace").strip()
        raise BundleError(said or f"esbuild has ended with {_ended(status)}")


def _bound(process_id: int) -> None:
    if hasattr(resource, "prlimit"):
        for limit, most in (
            (resource.RLIMIT_DATA, MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, 4 * TEXT_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            try:
                resource.prlimit(process_id, limit, (most, most))
            except ProcessLookupError:
                return  # it is at its end already


def _ended(status: int) -> str:
    if status == -signal.SIGXFSZ:
        return f"more than {4 * TEXT_BYTES} bytes of text"
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
