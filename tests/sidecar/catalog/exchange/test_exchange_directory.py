"""What an export writes, and what of a directory is not imported."""

import re
from pathlib import Path

import msgspec
import pytest

from sidecar.catalog.database.errors import ScriptRefused, WrongValues
from sidecar.catalog.directory.entries import (
    ScriptTable,
)
from sidecar.catalog.directory.mail_templates import TemplateTable
from sidecar.catalog.exchange.content import TextOf
from sidecar.catalog.exchange.directory import directory_files, file_names, write_directory, written_out
from tests.sidecar.catalog.exchange.content_homes import read, two


def test_what_points_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "a.js").write_text("function main() {}\n")
    (tmp_path / "assignments.toml").write_text(
        '[[provider]]\nid = "c"\nscript = "a"\n[[number]]\ndid = "1"\nprovider = "x"\n'
        '[[number]]\ndid = "1"\nprovider = "c"\ndetails = "[]"\n'
        '[[schedule]]\nid = "s"\nscript = "a"\ncron = "@daily"\nzone = "Berlin"\n'
        '[[schedule]]\nid = "s"\nscript = "a"\ncron = "* *"\n'
        '[[webhook]]\nname = "w"\nevents = []\n[[webhook]]\nname = "w"\nevents = ["call.finished"]\n'
        '[[tenant]]\ntenant = "t"\nwebhook_secret = "whsec_c2hvcnQ="\n'
    )
    with pytest.raises(ScriptRefused) as refused:
        read(tmp_path)
    assert [f"{one.line}: {one.message}" for one in refused.value.problems] == [
        "3: script: 'a' is a Script, and a provider is asked by a Driver",
        "6: there is no provider 'x' of the tenant 'operator'",
        "10: details: expected a JSON object: Expected `object`, got `array`",
        "15: zone: there is no time zone 'Berlin': it is called as `Europe/Berlin` or `UTC`",
        "17: the schedule 's' is there already",
        "19: cron: '* *' is no cron text: expected 5 fields: minute, hour, day of the month, month, day of the week",
        "22: events: expected a list of length >= 1, got []",
        "23: the webhook 'w' has either url or script",
        "28: webhook_secret: expected whsec_ and 24 to 48 bytes as base64",
    ]


def test_a_directory_with_something_wrong_in_it_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "assignments.toml").write_text("[[route]]\ncustomer = 'a'\nscript = 'none'\n")
    with pytest.raises(ScriptRefused, match="there is no script 'none'"):
        read(tmp_path)
    (tmp_path / "scripts" / "a.js").write_text("function main() {}")
    (tmp_path / "assignments.toml").write_text('[[route]]\ncustomer = "a\\u0000"\nscript = "a"\n')
    with pytest.raises(WrongValues, match="customer: has a NUL"):
        read(tmp_path)


def test_an_export_takes_away_what_is_gone_and_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="b.js")), "function main() {}\n")
    template = TemplateTable(tenant="acme", name="porting", subject="x")
    before = msgspec.structs.replace(two(scripts={"b": script}), templates={("acme", "porting"): template})
    write_directory(tmp_path, before)
    assert (tmp_path / "templates" / "acme" / "porting.toml").read_text() == 'subject = "x"\n'
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "scripts" / "notes.txt").write_text("mine")
    write_directory(tmp_path, two(), replaced=directory_files(before))
    there = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file())
    assert there == ["README.md", "assignments.toml", "scripts/a.js", "scripts/notes.txt"]


@pytest.mark.parametrize(
    ("files", "written"),
    [
        ([".git/hooks/post-checkout", "a/.git/config"], ["0.js", "1.js"]),
        (["../a.js", "/etc/cron.d/a.js", "a/../../b.js", "a//b.js"], ["0.js", "1.js", "2.js", "3.js"]),
        (["a\x1b[2Jb.js", "a\\b.js", "a\nb.js"], ["0.js", "1.js", "2.js"]),
        (["Main.js", "main.js", "MAIN.js/x.js", "lib/a.js", "LIB"], ["Main.js", "1.js", "2.js", "lib/a.js", "4.js"]),
        (["\u00e4.js", "a\u0308.js"], ["\u00e4.js", "1.js"]),
    ],
)
def test_no_name_leads_out_of_the_folder_hides_or_takes_another_ones_place(
    files: list[str], written: list[str]
) -> None:
    scripts = {
        str(number): TextOf(written_out(ScriptTable(file=file, id=str(number))), "function main() {}\n")
        for number, file in enumerate(files)
    }
    assert [*file_names(scripts).values()] == written


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("acme/Porting.toml", "", "is what no template's file is called"),
        (
            "acme/porting.toml",
            'name = "other"',
            "the template 'other' of 'acme' is looked for as templates/acme/other.toml",
        ),
        ("acme/porting.toml", "subject = 1", "Expected `str`"),
        ("acme/porting.toml", "x = 1", "unknown field `x`"),
    ],
)
def test_a_template_that_no_script_could_ask_for_is_refused_rather_than_left_out(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    write_directory(tmp_path, two())
    (tmp_path / "templates" / "acme").mkdir(parents=True)
    (tmp_path / "templates" / file).write_text(text)
    with pytest.raises(WrongValues, match=re.escape(words)):
        read(tmp_path)
