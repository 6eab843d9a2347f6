"""A catalog directory in which something is broken: what serves instead, now and after a start."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.catalog.directory import last_good as last_good_module
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.sip_answer import SipAnswer

APP = "async function main(data, ctx) {}\n"
ROUTES = """
[[route]]
customer = "acme"
script = "a"
error_action = "500 A"
[[route]]
customer = "beta"
script = "b"
error_action = "500 B"
"""
BROKEN = "function main(data) {\n"


def version(number: int) -> str:
    return f"function main(data) {{ return {number} }}\n"


class Site:
    """A catalog, and daemons over it one after the other."""

    def __init__(self, directory: Path, *, keeps: bool = True) -> None:
        self.directory = directory / "catalog"
        self.kept = directory / "last-good" if keeps else None
        (self.directory / "scripts").mkdir(parents=True)
        self.write("a", version(1))
        self.write("b", version(1))
        self.assign(ROUTES)
        self.start()

    def start(self) -> None:
        """Begin as a new process does."""
        section = CatalogSection(directory=self.directory)
        kept = LastGood(self.kept, self.directory)
        self.loader = DirectoryLoader(section, DecisionSection(error_action="503 Default"), last_good=kept)

    def write(self, name: str, text: str) -> None:
        (self.directory / "scripts" / f"{name}.js").write_text(text)

    def assign(self, text: str) -> None:
        (self.directory / "assignments.toml").write_text(text)

    def load(self) -> Loaded:
        return self.loader.load()

    def names(self) -> list[str]:
        """Of what is in the folder."""
        assert self.kept is not None
        return [one.name for one in self.kept.iterdir()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(params=["reload", "start"])
def again(request: pytest.FixtureRequest, site: Site) -> Any:
    """The next load, of the same process or of the next one."""

    def load() -> Loaded:
        if request.param == "start":
            site.start()
        return site.load()

    return load


def texts(snapshot: Snapshot) -> dict[str, str]:
    return {script.id: script.text for script in snapshot.scripts.values()}


def instead(loaded: Loaded) -> list[str]:
    return [str(broken) for broken in loaded.broken]


def errors(loaded: Loaded) -> list[str]:
    return [problem.message for problem in loaded.problems]


def test_what_is_right_is_taken_and_nothing_said(site: Site) -> None:
    loaded = site.load()
    assert texts(loaded.require()) == {"a": version(1), "b": version(1)}
    assert (loaded.problems, loaded.broken) == ((), ())


@pytest.mark.parametrize("wrong", [BROKEN, "// nothing", None, "\udcff"], ids=["syntax", "no entry", "gone", "bytes"])
def test_a_broken_script_is_served_by_its_last_good_version_and_the_others_go_on(
    site: Site, again: Any, wrong: str | None
) -> None:
    site.load()
    site.write("b", version(2))
    if wrong is None:
        (site.directory / "scripts" / "a.js").unlink()
    else:
        (site.directory / "scripts" / "a.js").write_bytes(wrong.encode("utf-8", "surrogateescape"))
    for loaded in (again(), again()):
        snapshot = loaded.require()
        assert texts(snapshot) == {"a": version(1), "b": version(2)}
        assert snapshot.why_not(snapshot.routes["acme", ""]) == ""
        assert instead(loaded) == ["scripts/a.js: its last good version serves"]
        assert len(loaded.problems) == 1
    site.write("a", version(3))
    loaded = again()
    assert (texts(loaded.require()), loaded.problems, loaded.broken) == ({"a": version(3), "b": version(2)}, (), ())


def test_a_script_that_never_was_right_gives_its_error_action(site: Site, again: Any) -> None:
    site.write("a", BROKEN)
    loaded = again()
    snapshot = loaded.require()
    assert texts(snapshot) == {"b": version(1)}
    assert instead(loaded) == ["script 'a': its calls get their error action"]
    assignment = snapshot.routes["acme", ""]
    assert assignment.error_action == SipAnswer(500, "A")
    assert "scripts/a.js:1:21: error:" in snapshot.why_not(assignment)
    assert snapshot.why_not(snapshot.routes["beta", ""]) == ""


def test_a_new_assignment_of_a_script_that_is_not_there_gives_its_error_action(site: Site, again: Any) -> None:
    site.load()
    site.assign(ROUTES + '[[route]]\ncustomer = "new"\nscript = "none"\nerror_action = "500 New"\n')
    loaded = again()
    snapshot = loaded.require()
    assert snapshot.why_not(snapshot.routes["new", ""]) == "there is no script 'none'"
    assert snapshot.routes["new", ""].error_action == SipAnswer(500, "New")
    assert snapshot.why_not(snapshot.routes["acme", ""]) == ""
    assert errors(loaded) == ["there is no script 'none'"]


@pytest.mark.parametrize(
    "wrong",
    [
        "[[route]\n",
        ROUTES + "[[rout]]\ncustomer = 'x'\nscript = 'a'\n",
        ROUTES + '[[did]]\ndid = "1"\nscript = "a"\ntimeout_ms = "soon"\n',
        ROUTES + '[[route]]\ncustomer = "acme"\nscript = "b"\n',
        ROUTES + '[[route]]\ncustomer = "x"\nscript = "a"\n[route.vars]\nrouting = 1\n',
        ROUTES + '[[destination]]\ndestination = "1"\nscript = "a"\n',
        None,
        "\udcff",
    ],
    ids=["syntax", "unknown table", "value", "twice", "vars", "no app", "gone", "bytes"],
)
def test_broken_assignments_are_served_by_the_last_good_ones_as_a_whole(
    site: Site, again: Any, wrong: str | None
) -> None:
    site.load()
    site.write("b", version(2))
    file = site.directory / "assignments.toml"
    if wrong is None:
        file.unlink()
    else:
        file.write_bytes(wrong.encode("utf-8", "surrogateescape"))
    for loaded in (again(), again()):
        snapshot = loaded.require()
        assert sorted(snapshot.routes) == [("acme", ""), ("beta", "")]
        assert (snapshot.dids, snapshot.destinations) == ({}, {})
        assert texts(snapshot) == {"a": version(1), "b": version(2)}
        assert instead(loaded) == ["assignments.toml: its last good version serves"]
        assert len(loaded.problems) == 1
    site.assign(ROUTES)
    assert again().problems == ()


def test_assignments_that_never_were_toml_are_nothing_to_run_by(site: Site, again: Any) -> None:
    site.assign("[[route]\n")
    assert again().snapshot is None


def test_a_broken_entry_of_assignments_that_never_were_right_gives_its_error_action(site: Site, again: Any) -> None:
    site.assign(
        '[[script]]\nfile = "b.js"\nglobal_routing_priority = "first"\nerror_action = "500 Every"\nmemory_bytes = 1\n'
        + ROUTES.replace('script = "a"', 'script = "a"\ntimeout_ms = "soon"')
        + '[[did]]\ndid = "1"\nerror_action = "500 No Script"\n'
        '[[did]]\ndid = "2"\nscript = "a"\nerror_action = "what"\n'
        '[[did]]\ndid = "3"\nscript = "a"\nscripts = 1\n'
        '[[route]]\ncustomer = "c"\nrout = "r"\nscript = "a"\n'
        '[[route]]\ncustomer = "d"\nroute = 7\nscript = "a"\n'
        '[[destination]]\ndestination = "9"\nscript = "a"\n'
    )
    loaded = again()
    snapshot = loaded.require()
    assert snapshot.routes["acme", ""].error_action == SipAnswer(500, "A")
    assert snapshot.why_not(snapshot.routes["acme", ""]) == "timeout_ms: expected a whole number, got text"
    assert snapshot.dids["1"].error_action == SipAnswer(500, "No Script")
    assert snapshot.dids["2"].error_action == SipAnswer(503, "Default")
    assert all(snapshot.why_not(snapshot.dids[did]) for did in ("1", "2", "3"))
    # Whose calls a key that there is not, or a wrong one, was to name is not sure.
    assert sorted(customer for customer, _ in snapshot.routes) == ["acme", "beta"]
    assert "only an App can" in snapshot.why_not(snapshot.destinations["9"])
    [every] = snapshot.first
    assert every.error_action == SipAnswer(500, "Every")
    assert snapshot.why_not(every)
    assert len(loaded.problems) == 8


def test_a_script_that_no_document_names_any_more_is_kept_no_longer(site: Site) -> None:
    site.load()
    site.assign(ROUTES.replace('"b"', '"a"'))
    (site.directory / "scripts" / "b.js").unlink()
    assert site.load().problems == ()
    assert len(site.names()) == 3
    site.assign(ROUTES)
    site.start()
    snapshot = site.load().require()
    assert snapshot.why_not(snapshot.routes["beta", ""]) == "there is no script 'b'"


def test_an_app_is_served_as_an_app(site: Site, again: Any) -> None:
    entry = '[[script]]\nfile = "a.js"\nkind = "app"\n[[destination]]\ndestination = "100"\nscript = "a"\n'
    site.write("a", APP)
    site.assign(entry)
    site.load()
    site.write("a", BROKEN)
    snapshot = again().require()
    assert snapshot.scripts["a"].text == APP
    # What was right as an App only does not stand in for a Script.
    site.assign(ROUTES)
    snapshot = again().require()
    assert "there is" in snapshot.why_not(snapshot.routes["acme", ""]) or "scripts/a.js" in snapshot.why_not(
        snapshot.routes["acme", ""]
    )


def test_without_a_folder_the_last_good_version_lives_as_long_as_the_process(tmp_path: Path) -> None:
    site = Site(tmp_path, keeps=False)
    site.load()
    site.write("a", BROKEN)
    assert texts(site.load().require())["a"] == version(1)
    site.start()
    assert sorted(texts(site.load().require())) == ["b"]


# ---- the folder ----


def test_a_folder_that_cannot_be_made_is_said_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path)
    site.kept = tmp_path / "none" / "last-good"
    site.start()
    site.load()
    site.write("a", version(2))
    assert texts(site.load().require())["a"] == version(2)
    assert [record.message for record in caplog.records] == ["last_good_not_kept"]


def test_a_full_disk_leaves_what_was_kept_before(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.load()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        site.write("a", version(2))
        assert texts(site.load().require())["a"] == version(2)
    assert "last_good_not_kept" in caplog.text
    assert not [name for name in site.names() if name.endswith(".new")]
    site.start()
    site.write("a", BROKEN)
    assert texts(site.load().require())["a"] == version(1)


def test_once_there_is_room_again_it_is_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_good_module, "KEPT_BYTES", 10)
    site.load()
    monkeypatch.undo()
    site.load()
    site.start()
    site.write("a", BROKEN)
    assert sorted(texts(site.load().require())) == ["a", "b"]


@pytest.mark.parametrize("damage", [b"", b"function main(data) { return 'stranger' }\n"])
def test_a_damaged_copy_is_not_used(site: Site, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    site.load()
    assert site.kept is not None
    for file in site.kept.iterdir():
        if file.name != "list.json":
            file.write_bytes(damage)
    site.write("a", BROKEN)
    site.start()
    assert sorted(texts(site.load().require())) == ["b"]
    assert "last_good_damaged" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"[]", b'{"catalog": 7}', b'{"catalog": "/other"}'])
def test_a_damaged_list_is_none_and_is_mended(site: Site, damage: bytes) -> None:
    site.load()
    assert site.kept is not None
    (site.kept / "list.json").write_bytes(damage)
    site.start()
    assert site.load().problems == ()
    site.start()
    site.write("a", BROKEN)
    assert sorted(texts(site.load().require())) == ["a", "b"]


def test_a_list_leads_out_of_its_folder_to_nothing(site: Site) -> None:
    site.load()
    assert site.kept is not None
    listed = site.kept / "list.json"
    (site.kept.parent / "secret").write_text(version(9))
    name = next(one.name for one in site.kept.iterdir() if one != listed)
    listed.write_text(listed.read_text().replace(name, "../secret"))
    site.write("a", BROKEN)
    site.write("b", BROKEN)
    site.start()
    assert version(9) not in texts(site.load().require()).values()


def test_what_else_is_in_the_folder_stays(site: Site) -> None:
    assert site.kept is not None
    site.kept.mkdir()
    (site.kept / "theirs").write_text("x")
    (site.kept / ("0" * 64)).write_text("of before")
    site.load()
    assert "theirs" in site.names()
    assert "0" * 64 not in site.names()


def test_nothing_is_written_where_nothing_has_changed(site: Site) -> None:
    site.load()
    assert site.kept is not None
    before = {one.name: one.stat().st_ino for one in site.kept.iterdir()}
    site.load()
    site.start()
    site.load()
    assert {one.name: one.stat().st_ino for one in site.kept.iterdir()} == before
