"""cxPubSub: messages between the runs of one tenant."""

from typing import Any, Final

from sidecar.hosts.broker import EVERY_KEY, Subscription
from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside

HEARING: Final = "cxPubSub.next"
"""What is asked by who waits for what others publish."""


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    broker = asker.services.broker
    match method, values:
        case "publish", [str(topic), str(key), payload]:
            broker.publish(asker.tenant, topic, key, payload)
            return None
        case "subscribe", [str(topic), str(key)]:
            subscription = broker.subscribe(asker.tenant, topic, key or EVERY_KEY)
            number = asker.handles.open(subscription, broker.unsubscribe)
            await broker.ready(subscription)
            return number
        case "next", [int(number)]:
            return await asker.handles.get(number, Subscription).next()
        case "unsubscribe", [int(number)]:
            asker.handles.close(number)
            return None
    raise HostError(f"{method}: a topic is a text, and so is a key", "TypeError")


MODULE = HostModule(name="cxPubSub", javascript=javascript_beside(__file__, "texts"), answer=_answer)
