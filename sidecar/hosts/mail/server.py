"""The mail server that takes what scripts send."""

import asyncio
import logging
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Final, NamedTuple

import aiosmtplib
import msgspec

from sidecar.hosts.mail.message import MailRefused

logger = logging.getLogger(__name__)

REASON_CHARACTERS: Final = 200
"""Of what the server says, which the script is told."""


class MailServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is handed in, and how."""

    host: str
    port: int = 25
    tls: bool = False
    """TLS from the first byte (RFC 8314), as on port 465. Without it STARTTLS is used where the server has it."""
    username: str = ""
    password: str = ""
    timeout_seconds: float = 10.0
    at_once: int = 8
    """Mails handed in at the same time; a further one waits for its turn."""


class MailServer:
    """Hands mails in, each over a connection of its own. Lives on one event loop."""

    def __init__(self, settings: MailServerSettings) -> None:
        self._settings: Final = settings
        self._turns: Final = asyncio.Semaphore(settings.at_once)

    async def send(self, mail: EmailMessage) -> None:
        """Hand a mail in. Raises MailRefused where the server does not take it for all whom it is for, or is not
        there."""
        settings = self._settings
        try:
            async with self._turns, asyncio.timeout(2 * settings.timeout_seconds):
                # In a thread: of a large one it takes some 50 ms.
                written = await asyncio.to_thread(_written, mail)
                refused, _ = await aiosmtplib.send(
                    written.content,
                    sender=written.sender,
                    recipients=written.recipients,
                    mail_options=["SMTPUTF8"] if written.international else [],
                    hostname=settings.host,
                    port=settings.port,
                    use_tls=settings.tls,
                    username=settings.username or None,
                    password=settings.password or None,
                    timeout=settings.timeout_seconds,
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            # The operator's to mend as often as the author's: the server's name and state are in the log alone.
            logger.warning("mail_not_sent", extra={"server": settings.host, "reason": str(error)[:REASON_CHARACTERS]})
            raise MailRefused(_reason(error)) from error
        if refused:
            some = ", ".join(sorted(refused))[:REASON_CHARACTERS]
            raise MailRefused(f"the mail server took it, but not for {some}")


class _Written(NamedTuple):
    content: bytes
    sender: str
    recipients: list[str]
    international: bool
    """Whether an address is no ASCII (RFC 6531)."""


def _written(mail: EmailMessage) -> _Written:
    sender: str = mail["From"].addresses[0].addr_spec
    recipients = [address.addr_spec for address in mail["To"].addresses]
    international = not "".join((sender, *recipients)).isascii()
    content = mail.as_bytes(policy=SMTPUTF8 if international else SMTP)
    return _Written(content, sender, recipients, international)


def _reason(error: Exception) -> str:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return f"the mail server refuses: {error.recipients[0].message[:REASON_CHARACTERS]}"
    if isinstance(error, aiosmtplib.SMTPResponseException) and not isinstance(
        error, aiosmtplib.SMTPAuthenticationError
    ):
        return f"the mail server refuses: {error.code} {error.message[:REASON_CHARACTERS]}"
    return "the mail server cannot be reached"
