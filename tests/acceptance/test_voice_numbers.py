"""Which number a call to a real daemon is for: numbers in every form, and calls to the Contact registered with a
provider."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sipio.sip import parse_message
from tests.acceptance.raw_sip import RawCaller, raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon

NUMBER = "+442079460000"
PROVIDER = "127.0.0.61"
SAYS = "await ctx.log(JSON.stringify([data.dest_number, data.dest_number_parameters, data.cli])); await ctx.answer()"


class Registrar:
    """Grants every REGISTER for four seconds, under a Contact that it rewrote as NAT does."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((PROVIDER, 0))
        self.port: int = self.socket.getsockname()[1]
        self.contacts: list[str] = []
        self.refreshed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data, source = self.socket.recvfrom(65_535)
            except OSError:
                return
            request = parse_message(data)
            address = request.address("contact")
            assert address is not None
            self.contacts.append(address.uri.raw)
            lines = [f"{name}: {request.get(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
            lines.append(f"Contact: <sip:{address.uri.user}@203.0.113.7:41234>;expires=4")
            self.socket.sendto("\r\n".join(["SIP/2.0 200 OK", *lines, "", ""]).encode(), source)
            if len(self.contacts) > 1:
                self.refreshed.set()


@pytest.fixture(scope="module")
def registrar() -> Iterator[Registrar]:
    made = Registrar()
    yield made
    made.socket.close()


@pytest.fixture(scope="module")
def daemon(registrar: Registrar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(
        tmp_path_factory.mktemp("voice"),
        {"says": SAYS},
        routes='[[destination]]\ndestination = "+44 20 7946-0000"\nscript = "says"\n'
        '[[destination]]\ndestination = "acct1"\nscript = "says"\n',
        accounts=f"""
[[trunk]]
name = "provider"
target = "sip:{{number}}@{PROVIDER}:{registrar.port}"
username = "acct1"
password = "b"
register = true
hosts = ["{PROVIDER}"]
""",
    )
    yield made.ready()
    made.stop()


@pytest.fixture
def caller(daemon: VoiceDaemon) -> Iterator[RawCaller]:
    with raw_caller((daemon.host, daemon.port), "says") as made:
        yield made


def said(daemon: VoiceDaemon, caller: RawCaller, invite: bytes) -> str:
    """What the script writes of a call."""
    position = daemon.position
    caller.send(invite)
    caller.response(200)
    caller.ack()
    return daemon.serving.program.wait_for(r'\[\\"', position)


@pytest.mark.parametrize(
    "user",
    [
        NUMBER,
        f"{NUMBER};npdi;rn=+44111",
        f"{NUMBER};isub=1",
        f"{NUMBER};tgrp=g1;trunk-context=example.com",
        "+44-20-7946-0000;npdi",
        "%2B442079460000",
    ],
)
def test_a_number_is_looked_up_without_its_parameters(daemon: VoiceDaemon, caller: RawCaller, user: str) -> None:
    caller.uri = f"sip:{user}@{daemon.host}:{daemon.port};user=phone"
    assert f'\\"{NUMBER}\\"' in said(daemon, caller, caller.message("INVITE", body=caller.sdp()))


def test_a_script_sees_the_parameters_beside_the_number(daemon: VoiceDaemon, caller: RawCaller) -> None:
    caller.uri = f"sip:{NUMBER};npdi;rn=+44111@{daemon.host}:{daemon.port}"
    line = said(daemon, caller, caller.message("INVITE", body=caller.sdp()))
    assert '{\\"npdi\\":\\"\\",\\"rn\\":\\"+44111\\"}' in line


def test_a_call_to_the_registered_contact_is_for_the_number_in_to(
    daemon: VoiceDaemon, caller: RawCaller, registrar: Registrar
) -> None:
    assert registrar.refreshed.wait(10), "a binding of 4 s is refreshed before it runs out"
    contact = registrar.contacts[0]
    assert contact == f"sip:acct1@{daemon.host}:{daemon.port}"
    caller.uri = contact
    invite = caller.message("INVITE", body=caller.sdp())
    to = f"To: <{contact}>\r\n".encode()
    assert f'\\"{NUMBER}\\"' in said(daemon, caller, invite.replace(to, b"To: <tel:+44-20-7946-0000>\r\n"))


def test_or_in_p_called_party_id(daemon: VoiceDaemon, caller: RawCaller, registrar: Registrar) -> None:
    caller.uri = f"sip:acct1@{daemon.host}:{daemon.port}"
    invite = caller.message("INVITE", body=caller.sdp())
    named = invite.replace(b"\r\nContact", b"\r\nP-Called-Party-ID: <sip:%s@p>\r\nContact" % NUMBER.encode())
    assert f'\\"{NUMBER}\\"' in said(daemon, caller, named)
