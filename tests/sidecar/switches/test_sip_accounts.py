"""The file of phones and trunks."""

from pathlib import Path

import pytest

from sidecar.errors import ConfigurationError
from sidecar.switches.sip_accounts import load_accounts, readable_by_others

TRUNK = '[[trunk]]\nname = "carrier"\ntarget = "sip:{number}@gateway.example"\n'


def test_a_trunks_redirections_are_followed_only_where_it_says_so(tmp_path: Path) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(TRUNK)
    assert [trunk.follow_redirects for trunk in load_accounts(file).trunks] == [False]
    file.write_text(TRUNK + "follow_redirects = true\n")
    assert [trunk.follow_redirects for trunk in load_accounts(file).trunks] == [True]


def test_a_registration_goes_to_the_trunks_name_so_that_it_is_located(tmp_path: Path) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(TRUNK + 'username = "a"\npassword = "b"\nregister = true\n')
    assert [one.registrar for one in load_accounts(file).registrations] == ["sip:gateway.example"]


REGISTERED = TRUNK + 'username = "acct1"\npassword = "b"\nregister = true\n'


@pytest.mark.parametrize(("line", "user"), [("", "acct1"), ('contact_user = "4420"\n', "4420")])
def test_the_contact_of_a_registration_is_its_trunks(tmp_path: Path, line: str, user: str) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(REGISTERED + line)
    accounts = load_accounts(file)
    assert [one.contact_user for one in accounts.registrations] == [user]
    assert [(one.contact_user, one.called_number) for one in accounts.trunks] == [(user, "")]


def test_where_a_trunk_names_the_number_called(tmp_path: Path) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(REGISTERED + 'called_number = "P-Called-Party-ID"\n')
    assert [one.called_number for one in load_accounts(file).trunks] == ["P-Called-Party-ID"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRUNK + 'contact_user = "a"\n', "contact_user is of a trunk with register = true"),
        (REGISTERED + 'called_number = "the header"\n', "called_number is .* not 'the header'"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_accounts(file)


@pytest.mark.parametrize("line", ["follow_redirect = true", 'follow_redirects = "yes"'])
def test_what_is_misspelt_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(TRUNK + line + "\n")
    with pytest.raises(ConfigurationError, match="follow_redirect"):
        load_accounts(file)


def test_a_user_may_have_algorithms_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(
        '[[user]]\nname = "a"\npassword = "b"\n[[user]]\nname = "old"\npassword = "c"\nalgorithms = ["MD5"]\n'
    )
    assert [user.algorithms for user in load_accounts(file).users] == [(), ("MD5",)]


def test_a_user_may_have_a_phone_that_answers_without_qop(tmp_path: Path) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(
        '[[user]]\nname = "a"\npassword = "b"\n[[user]]\nname = "old"\npassword = "c"\nwithout_qop = true\n'
    )
    assert [user.without_qop for user in load_accounts(file).users] == [False, True]


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [(0o600, ""), (0o640, ""), (0o604, "read by everybody"), (0o660, "changed by others"), (0o602, "changed")],
)
def test_who_may_read_the_passwords(tmp_path: Path, mode: int, wrong: str) -> None:
    file = tmp_path / "sip.toml"
    file.write_text("")
    file.chmod(mode)
    found = readable_by_others(file)
    assert wrong in found
    assert bool(found) == bool(wrong)
