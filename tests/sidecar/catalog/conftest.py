"""An empty catalog directory."""

from pathlib import Path

import pytest

from tests.sidecar.catalog.catalog_desk import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")
