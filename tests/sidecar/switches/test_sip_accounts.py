"""The file of phones and trunks."""

from pathlib import Path

import pytest

from sidecar.errors import ConfigurationError
from sidecar.switches.sip_accounts import load_accounts

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


@pytest.mark.parametrize("line", ["follow_redirect = true", 'follow_redirects = "yes"'])
def test_what_is_misspelt_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "sip.toml"
    file.write_text(TRUNK + line + "\n")
    with pytest.raises(ConfigurationError, match="follow_redirect"):
        load_accounts(file)
