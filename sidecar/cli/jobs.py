"""``scriptforge jobs``: what scripts were told to do later, at a server, and the queues that it waits in."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.cli.remote.app_scripts import find_script
from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.cli.scripts import read_data
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

STATES: Final = ("delayed", "waiting", "active", "completed", "failed")
SHOWN: Final = 50


def _count_of(state: str) -> Callable[[Any], object]:
    return lambda queue: queue["counts"].get(state, 0)


_COLUMNS: Final[Columns] = {
    "ID": "id",
    "STATE": "state",
    "SCRIPT": "script",
    "FUNCTION": "function",
    "QUEUE": lambda one: f"{one['app']}/{one['queue']}" if one["app"] else one["queue"],
    "FAILED": lambda one: f"{one['attempt']}/{one['attempts']}",
    "ADDED": lambda one: when(one["created"]),
    "ERROR": lambda one: (one["error"] or "")[:60],
}
_QUEUES: Final[Columns] = {
    "APP": "app",
    "QUEUE": "name",
    "PAUSED": "paused",
    "AT ONCE": "at_once",
    **{state.upper(): _count_of(state) for state in STATES},
    "OLDEST": lambda one: "" if one["oldest_seconds"] is None else f"{one['oldest_seconds']:.1f} s",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``jobs`` command."""
    parser = subparsers.add_parser(
        "jobs", help="look at a server's jobs, run and discard them, pause their queues", epilog=EXIT_STATUS_TEXT
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="jobs_command")
    listing = commands.add_parser("list", help="jobs, the newest first")
    listing.add_argument("--state", choices=STATES, help="failed: those that are tried no more")
    listing.add_argument("--script", metavar="ID")
    listing.add_argument("--app", metavar="APP")
    listing.add_argument("--queue", metavar="NAME")
    listing.add_argument("-n", type=int, metavar="N", dest="most", default=SHOWN, help=f"so many; default: {SHOWN}")
    show = commands.add_parser("show", help="one job: what it was given, what it gave, why it failed")
    adding = commands.add_parser("add", help="have a function run later")
    adding.add_argument("script", metavar="SCRIPT", help="an id, a uuid, or a name that no other script has")
    adding.add_argument("function", metavar="FUNCTION", nargs="?", default="main")
    adding.add_argument("--data", metavar="FILE", help="JSON for its first argument; - for standard input")
    adding.add_argument("--attempts", type=int, default=1, metavar="N")
    adding.add_argument("--delay", type=float, default=0, metavar="SECONDS")
    adding.add_argument("--priority", type=int, default=0, metavar="N", help="0 is first")
    adding.add_argument("--queue", default="default", metavar="NAME")
    adding.add_argument("--key", metavar="TEXT", help="while a job with it is not over, it is the same")
    retry = commands.add_parser("retry", help="run failed jobs once more, or delayed ones now")
    discard = commands.add_parser("discard", help="keep jobs no more, whatever their state")
    for several in (retry, discard):
        several.add_argument("jobs", metavar="JOB", nargs="+")
    show.add_argument("job", metavar="JOB")
    queues = commands.add_parser("queues", help="queues, with their jobs by state")
    pause = commands.add_parser("pause", help="begin no more jobs of a queue; those under way go on")
    resume = commands.add_parser("resume", help="begin them again")
    limit = commands.add_parser("limit", help="so many jobs of a queue at once, on all machines")
    for one in (pause, resume, limit):
        one.add_argument("queue", metavar="QUEUE")
        one.add_argument("--app", default="", metavar="APP", help="whose queue it is; none for scripts without an app")
    limit.add_argument("at_once", metavar="N", type=int, help="0 for no limit")
    for command, asks in (
        (listing, _list),
        (show, _show),
        (adding, _add),
        (retry, _retry),
        (discard, _discard),
        (queues, _list_queues),
        (pause, _set_queue),
        (resume, _set_queue),
        (limit, _set_queue),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list(arguments: argparse.Namespace, client: "Client") -> int:
    wanted = {name: getattr(arguments, name) for name in ("state", "script", "app", "queue")}
    found = client.pages(
        "/jobs", cursor="before", most=arguments.most, **{name: value for name, value in wanted.items() if value}
    )
    print_list(found, _COLUMNS, json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get(_path(arguments.job)).value
    if arguments.json:
        print_json(found)
        return 0
    for name, value in found.items():
        if value is None or value == "":
            continue
        text = when(value) if name in ("created", "due", "started", "finished") else _text(value)
        print(f"{name:<12} {escaped_lines(text)}")
    return 0


def _add(arguments: argparse.Namespace, client: "Client") -> int:
    script, _ = find_script(client, arguments.script)
    body = {
        "script": script["id"],
        "function": arguments.function,
        "data": read_data(arguments.data),
        "attempts": arguments.attempts,
        "delay_ms": round(arguments.delay * 1000),
        "priority": arguments.priority,
        "queue": arguments.queue,
        "key": arguments.key,
    }
    made = client.post("/jobs", body).value
    if arguments.json:
        print_json(made)
    else:
        print(escaped(made["id"]))
    return 0


def _retry(arguments: argparse.Namespace, client: "Client") -> int:
    retried = [client.post(f"{_path(job)}/retry").value for job in arguments.jobs]
    print_list(retried, _COLUMNS, json=arguments.json)
    return 0


def _discard(arguments: argparse.Namespace, client: "Client") -> int:
    for job in arguments.jobs:
        client.delete(_path(job))
        if not arguments.json:
            print(escaped(f"{job}: discarded"))
    return 0


def _list_queues(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.get("/queues").value, _QUEUES, json=arguments.json)
    return 0


def _set_queue(arguments: argparse.Namespace, client: "Client") -> int:
    """Change one of the two settings; the other stays."""
    queue, app = arguments.queue, arguments.app
    there = [one for one in client.get("/queues").value if (one["name"], one["app"]) == (queue, app)]
    settings = {name: there[0][name] if there else None for name in ("paused", "at_once")}
    if arguments.jobs_command == "limit":
        settings["at_once"] = arguments.at_once or None
    else:
        settings["paused"] = arguments.jobs_command == "pause"
    settings["paused"] = bool(settings["paused"])
    made = client.ask("PUT", f"/queues/{segment(queue)}", query={"app": app} if app else {}, body=settings).value
    if arguments.json:
        print_json(made)
    else:
        limited = f", {made['at_once']} at once" if made["at_once"] else ""
        print(escaped(f"{queue}: {'paused' if made['paused'] else 'not paused'}{limited}"))
    return 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _path(job: str) -> str:
    return f"/jobs/{segment(job)}"
