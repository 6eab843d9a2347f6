"""The SIP user agent as the configuration asks for it."""

import socket
from pathlib import Path

import pytest

from sidecar.configuration.tree import Configuration, SipSection
from sidecar.errors import ConfigurationError
from sidecar.switches.sip import SipPart, listener
from tests.sidecar.switches.switch_doubles import Refusing, Workers, always, configuration


async def test_a_user_agent_listens_once_there_are_workers(tmp_path: Path, workers: Workers) -> None:
    switch = SipPart(configuration(tmp_path, sip=SipSection(listen=("udp:127.0.0.1:0",))), Refusing(), workers, always)
    assert switch.snapshot() is None
    await switch.start()
    [address] = switch.state().addresses
    assert address.startswith("udp:127.0.0.1:")
    assert workers.asked == 1
    snapshot = switch.snapshot()
    assert snapshot is not None
    assert snapshot.messages_in == 0
    media = switch.media_snapshot()
    assert media is not None
    assert media.sessions == 0
    switch.stop_accepting()
    await switch.close()


async def test_where_no_calls_are_taken_there_is_no_user_agent(tmp_path: Path, workers: Workers) -> None:
    switch = SipPart(configuration(tmp_path, sip=SipSection(listen=("udp:127.0.0.1:0",))), None, workers, always)
    await switch.start()
    assert (switch.state().addresses, switch.snapshot(), workers.asked) == ((), None, 0)
    switch.stop_accepting()
    await switch.close()


async def test_an_address_in_use_is_said(tmp_path: Path, workers: Workers) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        section = SipSection(listen=(f"udp:127.0.0.1:{port}",))
        switch = SipPart(configuration(tmp_path, sip=section), Refusing(), workers, always)
        with pytest.raises(ConfigurationError, match=rf"^sip\.listen: cannot listen on udp:127\.0\.0\.1:{port}: "):
            await switch.start()
        await switch.close()


@pytest.mark.parametrize("text", ["127.0.0.1:5060", "sctp:127.0.0.1:5060", "udp:5060", "udp:h:x", "udp:h:70000", ""])
def test_what_is_no_listener_is_the_operators_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sip\.listen"):
        listener(text, Configuration())


def test_tls_needs_its_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"needs sip\.tls_certificate"):
        listener("tls:127.0.0.1:5061", Configuration())
    section = SipSection(tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "none.key")
    with pytest.raises(ConfigurationError, match=r"sip\.tls_certificate: "):
        listener("tls:127.0.0.1:5061", Configuration(sip=section))


async def test_accounts_are_read_anew_and_a_file_that_is_wrong_changes_nothing(
    tmp_path: Path, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    accounts = tmp_path / "sip.toml"
    accounts.write_text('[[user]]\nname = "alice"\npassword = "secret"\n')
    accounts.chmod(0o644)
    section = SipSection(listen=("udp:127.0.0.1:0",), accounts=accounts)
    switch = SipPart(configuration(tmp_path, sip=section), Refusing(), workers, always)
    # Not started: there is nothing to give them to.
    switch.reload()
    await switch.start()
    assert "sip_accounts_readable" in caplog.messages
    try:
        accounts.write_text('[[user]]\nname = "bob"\npassword = "x"\n')
        switch.reload()
        assert "sip_accounts" in caplog.messages
        for wrong in ('[[user]]\nname = "bob"\n', "not toml"):
            accounts.write_text(wrong)
            with pytest.raises(ConfigurationError, match=str(accounts)):
                switch.reload()
        accounts.unlink()
        with pytest.raises(ConfigurationError):
            switch.reload()
    finally:
        switch.stop_accepting()
        await switch.close()


@pytest.mark.parametrize(
    ("text", "advertised_host", "known"),
    [
        ("udp:10.0.0.5:5060", "", ("", 0)),
        ("udp:10.0.0.5:5060", "203.0.113.7", ("203.0.113.7", 0)),
        ("udp:10.0.0.5:5060", "sip.example", ("sip.example", 0)),
        ("udp:[2001:db8::5]:5060", "203.0.113.7", ("", 0)),
        ("udp:10.0.0.5:5060 advertise 203.0.113.8", "203.0.113.7", ("203.0.113.8", 0)),
        ("udp:10.0.0.5:5060 advertise 203.0.113.8:5070", "", ("203.0.113.8", 5070)),
        ("tcp:[2001:db8::5]:5060 advertise [2001:db8::8]:5070", "", ("2001:db8::8", 5070)),
        ("tcp:[2001:db8::5]:5060 advertise 2001:db8::8", "", ("2001:db8::8", 0)),
    ],
)
def test_each_listener_advertises_its_own_address(text: str, advertised_host: str, known: tuple[str, int]) -> None:
    made = listener(text, Configuration(sip=SipSection(advertised_host=advertised_host)))
    assert (made.advertised_host, made.advertised_port) == known
