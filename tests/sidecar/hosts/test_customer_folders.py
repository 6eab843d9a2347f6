"""Where a customer's files are."""

import os
from pathlib import Path

import pytest

from sidecar.hosts.customer_folders import customer_folder


def test_a_customer_has_a_folder_of_its_own(tmp_path: Path) -> None:
    customers = [
        "default",
        "acme",
        "Acme",
        "Acme & Co",
        "Müller GmbH",
        "user@example.com",
        "_x",
        "a/b",
        "ivr",
        "..",
        ".",
    ]
    folders = [customer_folder(tmp_path, customer) for customer in customers]
    assert len(set(folders)) == len(customers)
    assert all(folder.parent == tmp_path and folder.resolve() == folder for folder in folders)
    assert tmp_path / "ivr" not in folders, "the house's"


@pytest.mark.parametrize("customer", ["Acme", "ACME01", "acme.", "x" * 200])
def test_a_folder_that_is_called_as_the_customer_is_found(customer: str, tmp_path: Path) -> None:
    assert customer_folder(tmp_path, customer).name != customer
    (tmp_path / customer).mkdir()
    assert customer_folder(tmp_path, customer) == tmp_path / customer


def test_the_houses_folder_is_no_customers(tmp_path: Path) -> None:
    (tmp_path / "ivr").mkdir()
    assert customer_folder(tmp_path, "ivr") == tmp_path / "=69vr"


@pytest.mark.parametrize(("customer", "other"), [("Acme", "acme"), ("acme.", "acme"), ("IVR", "ivr")])
def test_anothers_folder_is_not_found_where_the_disk_takes_the_names_for_the_same(
    customer: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / other).mkdir()
    really = os.lstat

    def lstat(path: "os.PathLike[str]", **options: int) -> os.stat_result:
        folded = Path(path)
        return really(folded.with_name(folded.name.lower().rstrip(".")), **options)

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(Path, "lstat", lstat)
    assert customer_folder(tmp_path, customer) != tmp_path / customer
