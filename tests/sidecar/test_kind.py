"""What kinds of scripts are called."""

from typing import Any

import pytest

from sidecar.kind import Kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, Kind.APP) for name in ("app", "App", "App+", "quickjs", "debug")),
        *((name, Kind.SCRIPT) for name in ("script", "Script")),
    ],
)
def test_a_kind_is_known_by_the_names_that_other_platforms_have_for_it(name: str, kind: Kind) -> None:
    assert Kind(name) is kind


@pytest.mark.parametrize("name", ["", "node", "app ", 1, None])
def test_nothing_else_is_a_kind(name: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Kind(name)
