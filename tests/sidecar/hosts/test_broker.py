"""Who hears what: a tenant's own, by topic and key, in order, and no more than can be kept."""

import pytest

from sidecar.hosts.broker import EVERY_KEY, MESSAGE_BYTES, SUBSCRIPTIONS, TENANT_BYTES, WAITING, WAITING_BYTES, Broker
from sidecar.hosts.errors import HostError


async def test_a_subscriber_hears_its_topic_by_its_key() -> None:
    broker = Broker()
    one, every = broker.subscribe("t", "desk", "a"), broker.subscribe("t", "desk", EVERY_KEY)
    assert broker.publish("t", "desk", "a", 1) == 2
    assert broker.publish("t", "desk", "b", 2) == 1
    assert broker.publish("t", "other", "a", 3) == 0
    assert broker.publish("u", "desk", "a", 4) == 0
    assert await one.next() == [["a", 1]]
    assert await every.next() == [["a", 1], ["b", 2]]


async def test_who_has_ended_hears_nothing_more() -> None:
    broker = Broker()
    one = broker.subscribe("t", "desk", "")
    broker.publish("t", "desk", "", 1)
    broker.unsubscribe(one)
    broker.unsubscribe(one)
    assert await one.next() is None
    assert broker.publish("t", "desk", "", 2) == 0
    assert broker.subscriptions == 0


async def test_who_does_not_keep_up_loses_the_oldest() -> None:
    broker = Broker()
    one = broker.subscribe("t", "desk", "")
    for number in range(WAITING + 2):
        broker.publish("t", "desk", "", number)
    messages = await one.next()
    assert messages is not None
    assert [messages[0], messages[-1], len(messages)] == [["", 2], ["", WAITING + 1], WAITING]
    broker.unsubscribe(one)
    assert broker.lost == 2


async def test_what_is_not_taken_is_bounded_in_bytes() -> None:
    broker = Broker()
    large = "x" * (MESSAGE_BYTES - 100)
    slow = [broker.subscribe("t", "desk", "") for _ in range(2 * TENANT_BYTES // WAITING_BYTES)]
    for _ in range(20):
        broker.publish("t", "desk", "", large)
    taken = [sum(len(payload) for _, payload in await one.next() or ()) for one in slow]
    assert max(taken) <= WAITING_BYTES
    assert 0.9 * TENANT_BYTES < sum(taken) <= TENANT_BYTES
    assert min(one.lost for one in slow) >= 12
    for one in slow:
        broker.unsubscribe(one)
    last = broker.subscribe("t", "desk", "")
    broker.publish("t", "desk", "", large)
    assert await last.next() == [["", large]], "what was let go of is room again"
    with pytest.raises(HostError, match="the message has more than 65,536 bytes"):
        broker.publish("t", "desk", "", "x" * MESSAGE_BYTES)


def test_a_tenant_has_so_many_and_another_as_many() -> None:
    broker = Broker()
    for _ in range(SUBSCRIPTIONS):
        broker.subscribe("t", "desk", "")
    with pytest.raises(HostError, match="subscriptions at once"):
        broker.subscribe("t", "desk", "")
    broker.subscribe("u", "desk", "")


@pytest.mark.parametrize(("topic", "key"), [("", ""), ("a" * 257, ""), ("a", "k" * 257)])
def test_names_are_bounded(topic: str, key: str) -> None:
    with pytest.raises(HostError):
        Broker().subscribe("t", topic, key)
    with pytest.raises(HostError):
        Broker().publish("t", topic, key, None)
