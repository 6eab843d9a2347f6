"""Mail of scripts, from what they say to the mail server."""

import asyncio
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, Final

from sidecar.catalog.directory.mail_templates import MailTemplate
from sidecar.configuration.host_sections import MailSection
from sidecar.errors import ConfigurationError
from sidecar.hosts.errors import HostError
from sidecar.hosts.mail.message import MailRefused, compose, recipients, sender_address
from sidecar.hosts.mail.server import MailServer, MailServerSettings
from sidecar.hosts.mail.template import TemplateError, parse, render
from sidecar.hosts.rates import Rate
from sidecar.hosts.secret_file import first_line

_FIELDS: Final = ("subject", "text", "html")


class ScriptMail:
    """Sends it. Lives on one event loop."""

    def __init__(self, section: MailSection) -> None:
        """Raises ConfigurationError for a sender or a password that cannot be used."""
        self._server: MailServer | None = None
        self._rate = Rate("mails", section.per_minute)
        if section.server is None:
            return
        try:
            self._sender = sender_address(section.sender)
        except MailRefused as error:
            raise ConfigurationError(f"mail.sender: {error}") from None
        self._server = MailServer(
            MailServerSettings(
                host=section.server.host,
                port=section.server.port,
                tls=section.tls,
                username=section.username,
                password=first_line("mail.password_file", section.password_file),
                timeout_seconds=section.timeout_seconds,
            )
        )

    async def send(self, tenant: str, asked: dict[str, Any], template: MailTemplate | None) -> None:
        """Send what a script asks for; its own fields win over the template's. Raises HostError."""
        if self._server is None:
            raise HostError("there is no mail here: the operator has named no server (mail.server)")
        variables = {} if asked.get("vars") is None else asked["vars"]
        if not isinstance(variables, dict):
            raise HostError("vars is an object", "TypeError")
        try:
            # In a thread: of a large one it takes some 0.1 s.
            mail = await asyncio.to_thread(self._composed, asked, template, variables)
            await self._rate.require(tenant)
            await self._server.send(mail)
        except MailRefused as error:
            raise HostError(str(error)) from None
        except TemplateError as error:
            raise HostError(f"template {str(asked.get('template'))[:60]!r}: {error}") from None

    def _composed(
        self, asked: Mapping[str, Any], template: MailTemplate | None, variables: Mapping[str, Any]
    ) -> EmailMessage:
        fields = {name: self._field(name, asked.get(name), template, variables) for name in _FIELDS}
        return compose(self._sender, recipients(asked.get("to")), **fields)

    def _field(self, name: str, own: Any, template: MailTemplate | None, variables: Mapping[str, Any]) -> str:
        if isinstance(own, str):
            return own
        if own is not None:
            raise HostError(f"{name} is a text", "TypeError")
        text: str = getattr(template, name) if template is not None else ""
        return render(parse(text), variables, html=name == "html")
