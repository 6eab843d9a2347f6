"""The two extensions in C, and JavaScript that is fetched; all else about the package stands in pyproject.toml.

They are compiled where scripts run: Linux on x86-64 and aarch64. Elsewhere the package is installed without them.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

PLATFORMS: Final = {"linux-x86_64", "linux-aarch64"}
NATIVE: Final = Path("native")
COMPILE: Final = (
    "-std=c11",
    "-O3",
    "-Wall",
    "-Wextra",
    "-fvisibility=hidden",
    "-fstack-protector-strong",
    # Ubuntu's compiler has another level of its own.
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
)
LINK: Final = ("-Wl,-z,relro,-z,now",)
FURTHER: Final = os.environ.get("SCRIPTFORGE_NATIVE_FLAGS", "").split()
"""For compiler and linker, as those of a sanitizer."""


def extension(name: str, folder: str) -> Extension:
    """The extension ``name`` of the C files in a folder of native; for every Python from 3.11."""
    return Extension(
        name,
        sources=sorted(str(file) for file in (NATIVE / folder).glob("*.c")),
        depends=sorted(str(file) for file in NATIVE.rglob("*.h")),
        include_dirs=[str(NATIVE)],
        define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
        extra_compile_args=[*COMPILE, *FURTHER],
        extra_link_args=[*LINK, *FURTHER],
        py_limited_api=True,
    )


class BuildWithCoreModules(build_py):  # type: ignore[misc]  # setuptools tells no types
    """Has Node's core modules in the package: they are in no repository. A source archive brings them along."""

    def run(self) -> None:
        subprocess.run([sys.executable, "packaging/core-modules"], check=True)
        super().run()


native: dict[str, Any] = {}
options: dict[str, dict[str, str]] = {}
if sysconfig.get_platform() in PLATFORMS:
    native["ext_modules"] = [extension("sandbox._engine", "engine"), extension("sidecar._result_check", "result_check")]
    options["bdist_wheel"] = {"py_limited_api": "cp311"}
# A folder "build" that stays would put into a wheel what an older checkout left in it.
with tempfile.TemporaryDirectory(prefix="scriptforge-build-") as built:
    setup(**native, cmdclass={"build_py": BuildWithCoreModules}, options={**options, "build": {"build_base": built}})
