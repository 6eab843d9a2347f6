"""A tenant's templates of mail."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from sidecar.catalog.database.errors import NotThere, WrongValues
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.storage.tables import mail_templates

TEMPLATES: Final = 1_000
"""Of one tenant."""
NAME_CHARACTERS: Final = 256
TEXT_CHARACTERS: Final = 200_000


class MailTemplateRecord(Tagged, frozen=True, kw_only=True):
    """A template: what of it is empty is not in the mail."""

    name: str
    subject: str = ""
    text: str = ""
    html: str = ""


async def list_templates(scope: Scope, *, after: str = "", limit: int = 100) -> Sequence[MailTemplateRecord]:
    """A tenant's templates by their names; ``after`` the last of the page before."""
    query = scope.own(mail_templates).where(mail_templates.c.name > after).order_by(mail_templates.c.name).limit(limit)
    return [_record(row) for row in (await scope.connection.execute(query)).all()]


async def get_template(scope: Scope, name: str) -> MailTemplateRecord:
    """One template. Raises NotThere."""
    return _record(
        await scope.one(scope.own(mail_templates).where(mail_templates.c.name == name), f"template {name!r}")
    )


async def put_template(work: Work, template: MailTemplateRecord, *, expected: str | None = None) -> MailTemplateRecord:
    """Make or change a template, which the caller has parsed. Raises ChangedMeanwhile, NotThere, WrongValues."""
    if not 0 < len(template.name) <= NAME_CHARACTERS:
        raise WrongValues([f"a template's name has 1 to {NAME_CHARACTERS} characters"])
    texts = {"subject": template.subject, "text": template.text, "html": template.html}
    for field, text in texts.items():
        if len(text) > TEXT_CHARACTERS or "\x00" in text:
            raise WrongValues([f"{field} has at most {TEXT_CHARACTERS:_} characters, and no NUL"])
    own = mail_templates.c.tenant_id == work.tenant_id, mail_templates.c.name == template.name
    row = (await work.connection.execute(select(mail_templates).where(*own))).one_or_none()
    before = None if row is None else _record(row)
    if before is not None:
        require_tag(f"template {template.name!r}", before, expected)
        if before == template:
            return template
        await work.connection.execute(update(mail_templates).where(*own).values(**texts))
    else:
        if expected is not None:
            raise NotThere(f"there is no template {template.name!r}")
        if await count(work.connection, work.own(mail_templates)) >= TEMPLATES:
            raise WrongValues([f"there are {TEMPLATES:_} templates already"])
        values = {"tenant_id": work.tenant_id, "name": template.name, **texts}
        await work.connection.execute(insert(mail_templates).values(**values))
    work.audit("template.set", template.name, before, template)
    return template


async def remove_template(work: Work, name: str, *, expected: str | None = None) -> None:
    """Take a template out. Raises NotThere, ChangedMeanwhile."""
    before = await get_template(work, name)
    require_tag(f"template {name!r}", before, expected)
    own = mail_templates.c.tenant_id == work.tenant_id, mail_templates.c.name == name
    await work.connection.execute(delete(mail_templates).where(*own))
    work.audit("template.remove", name, before, None)


def _record(row: Any) -> MailTemplateRecord:
    return MailTemplateRecord(name=row.name, subject=row.subject, text=row.text, html=row.html)
