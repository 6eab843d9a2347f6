"""Versions and ranges of them, as npm reads them (semver.org 2.0.0, and npm's own semver for ranges)."""

from collections.abc import Iterable
from functools import cmp_to_key
from typing import Final

import nodesemver

from sidecar.npm.package_name import RANGE_CHARACTERS

NODE_VERSION: Final = "20.20.0"
"""What a package that says which Node it needs finds: the core modules for scripts are those of Node 20."""


def is_version(text: str) -> bool:
    """Whether it is one whole version."""
    found = nodesemver.valid(text, False) if len(text) <= RANGE_CHARACTERS else None
    return found is not None and found.version == text


def is_range(text: str) -> bool:
    """Whether it is a range, and no tag or address."""
    if len(text) > RANGE_CHARACTERS:
        return False
    try:
        return nodesemver.valid_range(text, True) is not None
    except ValueError:
        return False


def satisfies(version: str, version_range: str) -> bool:
    """Whether a range takes a version. What is no range takes none."""
    if len(version_range) > RANGE_CHARACTERS or len(version) > RANGE_CHARACTERS:
        return False
    try:
        return bool(nodesemver.satisfies(version, version_range, True))
    except ValueError:
        return False


def sorted_versions(versions: Iterable[str]) -> list[str]:
    """From the oldest to the newest; a pre-release is older than what it is before."""
    return sorted(versions, key=cmp_to_key(lambda one, other: int(nodesemver.compare(one, other, True))))
