"""A module of the host as the product's own are: this file, and the JavaScript beside it."""

import asyncio
from typing import Any

from sidecar.hosts.errors import HostError
from sidecar.hosts.module import Asker, HostModule, javascript_beside

BALANCES = {"42": 7.5, "0": 0}


async def answer(asker: Asker, method: str, values: list[Any]) -> Any:
    """``balance(account)``."""
    if method != "balance" or len(values) != 1:
        raise HostError(f"credit has no {method} of {len(values)} values", name="TypeError")
    # What a database would take, and the loop goes on meanwhile.
    await asyncio.sleep(0)
    account = str(values[0])
    if account not in BALANCES:
        raise HostError(f"there is no account {account}")
    return {"account": account, "balance": BALANCES[account], "asker": asker.script.id}


MODULE = HostModule(name="credit", javascript=javascript_beside(__file__), answer=answer)
