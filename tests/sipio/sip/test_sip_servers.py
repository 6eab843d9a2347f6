"""The servers of one target: their order, and going on to the next, through memory."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.events import CallReceived, EndedBy, RegistrationChanged, SessionAnswered, SessionEnded
from sipio.sip.hosts_file import HostsFile
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.randomness import Randomness
from sipio.sip.server_directory import FAILING_SECONDS, LOOKUPS
from sipio.sip.server_lookup import Service, in_order
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings
from tests.sipio.sip.sip_network import Network, Node

NOBODY = Address("udp", "10.9.9.9", 5060)


def service(priority: int, weight: int, host: str) -> Service:
    return Service(priority=priority, weight=weight, addresses=(Address("udp", host, 5060),))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65_535)), max_size=8), st.integers())
def test_every_server_once_and_by_priority(records: list[tuple[int, int]], seed: int) -> None:
    services = [service(*record, f"10.0.0.{number}") for number, record in enumerate(records)]
    found = in_order(services, Randomness(seed).uniform)
    assert sorted(found) == sorted(address for one in services for address in one.addresses)
    priorities = {one.addresses[0]: one.priority for one in services}
    assert [priorities[address] for address in found] == sorted(priorities.values())


def test_equals_are_chosen_by_their_weight() -> None:
    services = [service(1, 10, "a"), service(1, 30, "b"), service(1, 0, "c")]
    uniform = Randomness(5).uniform
    first = Counter(in_order(services, uniform)[0].host for _ in range(2_000))
    assert 1_400 < first["b"] < 1_600
    assert first["c"] < 10


def network_of(*servers: Address) -> tuple[Network, Node, Node]:
    network = Network()
    caller, callee = network.node(UserAgentSettings(failover_seconds=2.0)), network.node()
    network.names["carrier.test"] = [server if server.host else callee.address for server in servers]
    return network, caller, callee


HERE = Address("udp", "", 0)


def invite(caller: Node) -> OutgoingSession:
    return caller.agent.invite("sip:100@carrier.test", from_="sip:a@b", media=caller.media)


def test_a_silent_server_is_tried_last_from_then_on_for_a_while() -> None:
    network, caller, callee = network_of(NOBODY, HERE)
    callee.on_event = lambda event: event.session.accept(callee.media) if isinstance(event, CallReceived) else None
    sent: list[Address] = []
    send = network._send

    def note(node: Node, destination: Address, data: bytes) -> None:
        if data.startswith(b"INVITE"):
            sent.append(destination)
        send(node, destination, data)

    network._send = note  # type: ignore[method-assign]
    for wait, first in ((5.0, NOBODY), (FAILING_SECONDS, callee.address), (1.0, NOBODY)):
        sent.clear()
        session = invite(caller)
        network.run(wait)
        assert sent[0] == first
        if wait > 1:
            assert session.answered
            session.bye()


def test_a_silent_server_that_rings_after_all_is_cancelled() -> None:
    network, caller, callee = network_of(HERE, NOBODY)
    network.drop = lambda node, _: node is callee
    session = invite(caller)
    network.run(1.0)
    incoming = callee.told(CallReceived)[0].session
    network.run(2.0)
    network.drop = lambda *_: False
    incoming.ring()
    network.run(0.5)
    assert callee.told(SessionEnded)[0].by is EndedBy.PEER
    assert callee.told(SessionEnded)[0].reason == "CANCEL"
    assert not session.ended
    session.cancel()
    network.run(70)
    assert [event.by for event in caller.told(SessionEnded)] == [EndedBy.US]
    assert caller.agent.transactions == callee.agent.transactions == 0


def test_a_silent_server_that_answers_after_all_is_acknowledged_and_hung_up() -> None:
    network, caller, callee = network_of(HERE, NOBODY)
    network.drop = lambda node, _: node is callee
    session = invite(caller)
    network.run(2.5)
    callee.told(CallReceived)[0].session.accept(callee.media)
    network.drop = lambda *_: False
    network.run(5)
    assert callee.told(SessionEnded)[0].reason == "BYE"
    assert callee.agent.snapshot().unconfirmed == 0
    assert not caller.told(SessionAnswered)
    assert not session.ended
    network.run(70)
    (ended,) = caller.told(SessionEnded)
    assert (ended.status, ended.by) == (408, EndedBy.SYSTEM)
    assert caller.agent.transactions == callee.agent.transactions == 0
    assert not caller.agent.busy


def test_a_call_given_up_before_its_name_is_known_sends_nothing() -> None:
    network, caller, _ = network_of(HERE)
    addresses = network.names.pop("carrier.test")
    session = invite(caller)
    network.run(1)
    session.cancel()
    network.run(0.1)
    assert [(event.by, event.status) for event in caller.told(SessionEnded)] == [(EndedBy.US, 487)]
    network.names["carrier.test"] = addresses
    network.run(5)
    assert caller.sent == []


def test_names_asked_for_at_once_are_bounded() -> None:
    network, caller, _ = network_of(HERE)
    for number in range(LOOKUPS + 1):
        caller.agent.invite(f"sip:100@n{number}.test", from_="sip:a@b", media=caller.media)
    network.run(0.1)
    assert [event.reason for event in caller.told(SessionEnded)] == ["no server found"]


def test_a_transport_that_is_not_listened_on_is_a_mistake_of_ours() -> None:
    _, caller, _ = network_of(HERE)
    with pytest.raises(LocalError):
        caller.agent.invite("sips:100@carrier.test", from_="sip:a@b", media=caller.media)
    assert caller.agent.sessions == 0


def test_a_registration_goes_on_to_the_next_server_and_asks_again_after_a_failure() -> None:
    alice = Credentials(username="alice", password="secret")
    network = Network()
    caller, registrar = network.node(), network.node(UserAgentSettings(users=(alice,)))
    network.names["carrier.test"] = []
    settings = RegistrationSettings(
        name="t", registrar="sip:carrier.test", address_of_record="sip:alice@carrier.test", credentials=alice
    )
    caller.agent.register(settings)
    network.run(1)
    assert [(event.state, event.reason) for event in caller.told(RegistrationChanged)] == [
        ("failed", "no server found")
    ]
    network.names["carrier.test"] = [NOBODY, registrar.address]
    network.run(40)
    assert [event.state for event in caller.told(RegistrationChanged)] == ["failed", "registered"]
    assert registrar.agent.contacts("alice")


def test_the_table_of_hosts(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    assert HostsFile(file).addresses("pbx") == []
    file.write_text("# a comment\n127.0.0.1 localhost PBX # more\n::1 localhost\nnonsense here\n\n")
    hosts = HostsFile(file)
    assert hosts.addresses("localhost") == ["127.0.0.1", "::1"]
    assert hosts.addresses("pbx") == ["127.0.0.1"]
    assert hosts.addresses("here") == []
    file.write_text("10.0.0.7 pbx\n")
    assert hosts.addresses("pbx") == ["10.0.0.7"]
