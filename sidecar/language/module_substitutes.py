"""Modules that authors name out of habit and that there are not: what to use in their place."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_BY_SUBSTITUTE: Final[Mapping[str, Iterable[str]]] = {
    "fetch asks over HTTP": (
        *("axios", "got", "node-fetch", "request", "request-promise", "superagent", "undici"),
        *("helpscout-2.0", "rss-parser", "soap", "stripe"),
    ),
    "fetch asks over HTTP, with a Cookie header of your own": ("axios-cookiejar-support", "tough-cookie"),
    "Date and Intl.DateTimeFormat know dates and time zones": (
        *("date-fns", "dayjs", "luxon", "moment", "moment-timezone"),
    ),
    "cxSend sends mail": ("elasticemail-webapiclient", "nodemailer"),
    "cxKV keeps texts, objects and counters": ("datastore", "ioredis", "redis"),
    "sql of cxUserspace asks your databases": ("cxKysely", "knex", "kysely", "mysql", "mysql2", "pg"),
    "vars come read, and JSON.parse reads JSON": ("fast-toml", "toml"),
    "split and map read lines": ("csv-parse", "csv-parse/lib/sync", "fast-csv", "papaparse"),
    "arrays have map, filter, reduce and toSorted": ("data-forge", "lodash", "underscore"),
    "a function of a few lines does it": ("card-validator", "validator"),
    "the global crypto does it": ("uuid",),
    "scripts reach no files and no programs, and nobody connects to them": (
        *("child_process", "decompress-zip", "dgram", "ftp", "ws"),
    ),
}
_SUBSTITUTES: Final = {name: said for said, names in _BY_SUBSTITUTE.items() for name in names}
_SCHEME: Final = re.compile(r"^[a-z]+:/*")
_PARTS: Final = re.compile(r"[/@:?#]+")


def substitute(name: str) -> str:
    """What to use in place of a module, also of one that is named by its address; empty where nothing is known."""
    path = _SCHEME.sub("", name)
    return next((_SUBSTITUTES[part] for part in (path, *_PARTS.split(path)) if part in _SUBSTITUTES), "")
