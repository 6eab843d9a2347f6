"""cxSend: mail and short messages."""

import asyncio
from typing import Any

from sidecar.catalog.directory.mail_templates import MailTemplate
from sidecar.hosts.errors import HostError
from sidecar.hosts.mail.stored import read_template
from sidecar.hosts.module import Asker, HostModule, javascript_beside


async def _answer(asker: Asker, method: str, values: list[Any]) -> Any:
    match method, values:
        case "email", [dict(asked)]:
            mail = await asker.services.mail()
            await mail.send(asker.tenant, asked, await _template(asker, asked.get("template")))
            return None
        case "sms", [str(number), str(text)]:
            return await (await asker.services.sms()).send(asker.tenant, number, text)
    raise HostError(f"{method}: this is nothing that can be sent", "TypeError")


async def _template(asker: Asker, name: Any) -> MailTemplate | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise HostError("template is the name of one", "TypeError")
    catalog = await asker.services.catalog()
    if catalog is not None:
        return await catalog.template(asker.tenant, name)
    return await asyncio.to_thread(read_template, asker.services.directory, asker.tenant, name)


MODULE = HostModule(name="cxSend", javascript=javascript_beside(__file__), answer=_answer)
