"""What single packages need to be told otherwise than they say themselves, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

HERE: Final = Path(__file__).parent
SUBSTITUTES: Final = HERE / "substitutes"
"""A folder for each package that code of our own stands for."""
LOCK_FILE: Final = HERE / "scripts" / "package-lock.json"
"""Of the modules that `scriptforge modules install` installs, and of esbuild. Written by ``packaging/lock``."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a package is installed."""

    entries: tuple[str, ...] = ()
    """Files of it beside its main one that scripts require, as ``lib/sync``, where the version has them."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Of what it needs, other ranges than its own."""
    substitutes: frozenset[str] = frozenset()
    """Of what it needs, the packages that `SUBSTITUTES` has and that are not fetched."""


RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        # `buffers` 0.1.1, its only one, declares no licence.
        "binary": Recipe(substitutes=frozenset({"buffers"})),
        # Since 0.3.10 it brings along 70 packages that stand in for what the engine has.
        "chainsaw": Recipe(overrides={"traverse": "0.3.9"}),
        "csv-parse": Recipe(entries=("lib/sync", "sync")),
        "dayjs": Recipe(
            entries=(
                "plugin/advancedFormat",
                "plugin/customParseFormat",
                "plugin/duration",
                "plugin/isBetween",
                "plugin/relativeTime",
                "plugin/timezone",
                "plugin/utc",
            )
        ),
        # It pins axios 0.19, which has known holes; what it calls is the same in 1.
        "elasticemail-webapiclient": Recipe(overrides={"axios": "^1.7.0"}),
        # `request` is given up by its makers, and is 700 KB in 50 packages for what one call of fetch does.
        "helpscout-2.0": Recipe(substitutes=frozenset({"request"})),
        "libphonenumber-js": Recipe(entries=("min", "max", "mobile", "core")),
        "lodash": Recipe(entries=("fp",)),
    }
)
