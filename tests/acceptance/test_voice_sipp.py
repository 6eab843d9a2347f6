"""SIPp calls the running daemon."""

import asyncio
import datetime
import ipaddress
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sipio.sip.events import SessionAnswered, SessionEnded
from tests.acceptance.phone import phone
from tests.acceptance.sipp import Sipp
from tests.acceptance.voice_daemon import HOST, VoiceDaemon

SIPP_HOST = "127.0.0.69"
SCRIPTS = {
    "hold": "await ctx.answer(); await ctx.waitForHangup()",
    "brief": "await ctx.answer()",
    "patient": "await ctx.waitForHangup()",
    "digits": """const heard = ctx.waitFor('1234');
        await ctx.answer();
        await ctx.log(await heard);""",
}


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for the daemon's address and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, private = directory / "chain.pem", directory / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, chain: tuple[Path, Path]) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(
        tmp_path_factory.mktemp("voice"),
        SCRIPTS,
        sip=f"tls_certificate = {json.dumps(str(chain[0]))}\ntls_key = {json.dumps(str(chain[1]))}",
        transports=("udp", "tcp", "tls"),
    )
    yield made.ready()
    made.stop()


def run(
    directory: Path,
    daemon: VoiceDaemon,
    scenario: str,
    destination: str,
    *options: str,
    calls: int = 10,
    tcp: bool = False,
) -> list[dict[str, object]]:
    """Place the calls, all of which have to go as the scenario says; their records."""
    before = daemon.position
    port = daemon.ports["tcp" if tcp else "udp"]
    sipp = Sipp(
        directory,
        scenario,
        SIPP_HOST,
        options=(
            f"{daemon.host}:{port}", "-s", destination, "-t", "t1" if tcp else "u1", "-r", "100", "-l", "600",
            "-d", "50", *options,
        ),
        calls=calls,
    )  # fmt: skip
    try:
        assert sipp.program.finish(60) == 0, sipp.program.lines(".")[-30:]
    finally:
        sipp.stop()
    return daemon.records(calls, before)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("scenario", "destination", "reason"),
    [
        ("agent_call_in", "hold", "BYE"),
        ("agent_call_in_hung_up", "brief", "BYE"),
        ("agent_cancel", "patient", "CANCEL"),
        ("agent_reinvite", "hold", "BYE"),
    ],
)
def test_calls(daemon: VoiceDaemon, tmp_path: Path, scenario: str, destination: str, reason: str, tcp: bool) -> None:
    records = run(tmp_path, daemon, scenario, destination, tcp=tcp)
    assert [(record["outcome"], record["reason"]) for record in records] == [("returned", reason)] * 10


@pytest.mark.parametrize("way", ["pcap", "info"])
def test_digits(daemon: VoiceDaemon, tmp_path: Path, way: str) -> None:
    records = run(tmp_path, daemon, f"agent_dtmf_{way}", "digits", calls=1)
    assert records[0]["log"] == ["1234"]


def test_500_of_500_calls_with_5_percent_of_packets_lost(daemon: VoiceDaemon, tmp_path: Path) -> None:
    records = run(tmp_path, daemon, "agent_call_in", "hold", "-lost", "5", "-max_retrans", "12", calls=500)
    assert len({record["id"] for record in records}) == 500
    # Where the ACK was lost its 200 came again; where the BYE came first the answer was never confirmed.
    assert {record["outcome"] for record in records} <= {"returned", "hung_up"}
    assert {record["reason"] for record in records} == {"BYE"}


async def test_a_call_over_tls(daemon: VoiceDaemon, chain: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=str(chain[0]))
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(*chain)
    async with phone(transport="tls", tls=own, client_tls=context) as caller:
        call = caller.call(daemon.uri("hold", "tls"))
        await call.wait_for(SessionAnswered)
        call.session.bye()
        await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert record["hangup_by"] == "caller"
