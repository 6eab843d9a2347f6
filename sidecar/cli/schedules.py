"""``scriptforge schedules``: what is run at named times, at a server."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.app_scripts import find_script
from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Refusal
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.cli.scripts import read_data
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

MISSED: Final = ("once", "all", "none")
_COLUMNS: Final[Columns] = {
    "SCHEDULE": "id",
    "SCRIPT": "script",
    "FUNCTION": "function",
    "CRON": "cron",
    "ZONE": "zone",
    "NEXT": lambda one: "paused" if one["paused"] else when(one["due"]),
    "LAST": lambda one: when(one["last"]),
    "RUNS": "runs",
    "FAULT": lambda one: one["fault"][:60],
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``scriptforge schedules``."""
    parser = commands.add_parser(
        "schedules",
        help="functions of scripts that are run at named times",
        description="Functions of scripts that are run at named times, each run a job.",
        epilog=EXIT_STATUS_TEXT,
    )
    own = parser.add_subparsers(required=True, metavar="COMMAND", dest="schedules_command")
    listing = own.add_parser("list", help="schedules, and when each is due next")
    listing.add_argument("--script", metavar="ID")
    show = own.add_parser("show", help="one schedule, with its five next due times")
    make = own.add_parser(
        "make",
        help="make a schedule, or with --force change one",
        description="CRON is five fields in quotes: minute, hour, day of the month, month, day of the week; or @daily.",
    )
    make.add_argument("schedule", metavar="SCHEDULE", help="what it is to be called")
    make.add_argument("script", metavar="SCRIPT", help="an id, a uuid, or a name that no other script has")
    make.add_argument("cron", metavar="CRON", help="such as '5 2 * * *'")
    make.add_argument("--zone", default="UTC", metavar="ZONE", help="whose clocks it goes by, as Europe/Berlin")
    make.add_argument("--function", default="main", metavar="FUNCTION")
    make.add_argument("--data", metavar="FILE", help="JSON object for its first argument; - for standard input")
    make.add_argument("--missed", choices=MISSED, default="once", help="what becomes of missed runs; default: once")
    make.add_argument("--most", type=int, default=10, metavar="N", help="so many of them, where all are made up for")
    make.add_argument("--attempts", type=int, default=1, metavar="N", help="of each run")
    make.add_argument("--paused", action="store_true")
    make.add_argument("--force", action="store_true", help="in place of what is there")
    pause = own.add_parser("pause", help="run them no more; a run that is under way goes on")
    resume = own.add_parser("resume", help="run them again, from now on")
    run = own.add_parser("run", help="run them now; prints the ids of the jobs")
    delete = own.add_parser("delete", help="remove them; a run that is under way goes on")
    show.add_argument("schedule", metavar="SCHEDULE")
    for several in (pause, resume, run, delete):
        several.add_argument("schedules", metavar="SCHEDULE", nargs="+")
    for command, asks in (
        (listing, _list),
        (show, _show),
        (make, _make),
        (pause, _change),
        (resume, _change),
        (run, _run),
        (delete, _delete),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list(arguments: argparse.Namespace, client: "Client") -> int:
    query = {"script": arguments.script} if arguments.script else {}
    print_list(client.pages("/schedules", **query), _COLUMNS, json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    _print(client.get(_path(arguments.schedule)).value, json=arguments.json)
    return 0


def _make(arguments: argparse.Namespace, client: "Client") -> int:
    script, _ = find_script(client, arguments.script)
    names = ("cron", "zone", "function", "missed", "most", "attempts", "paused")
    body = {name: getattr(arguments, name) for name in names}
    path = _path(arguments.schedule)
    match = "*" if arguments.force and _is_there(client, path) else ""
    data = read_data(arguments.data)
    _print(client.put(path, {**body, "script": script["id"], "data": data}, match=match).value, json=arguments.json)
    return 0


def _change(arguments: argparse.Namespace, client: "Client") -> int:
    done = [client.post(f"{_path(one)}/{arguments.schedules_command}").value for one in arguments.schedules]
    print_list(done, _COLUMNS, json=arguments.json)
    return 0


def _run(arguments: argparse.Namespace, client: "Client") -> int:
    jobs = [client.post(f"{_path(one)}/run").value for one in arguments.schedules]
    if arguments.json:
        print_json(jobs)
    else:
        for job in jobs:
            print(escaped(job["id"]))
    return 0


def _delete(arguments: argparse.Namespace, client: "Client") -> int:
    for schedule in arguments.schedules:
        client.delete(_path(schedule), match="*")
        if not arguments.json:
            print(escaped(f"{schedule}: removed"))
    return 0


def _print(found: Any, *, json: bool) -> None:
    if json:
        print_json(found)
        return
    for name in ("id", "script", "function", "cron", "zone", "missed", "attempts", "runs", "left_out", "job", "fault"):
        value = found[name]
        if value is None or value == "":
            continue
        if name == "missed" and value == "all":
            value = f"all, up to {found['most']}"
        print(f"{name:<12} {escaped_lines(str(value))}")
    if found["data"]:
        print(f"{'data':<12} ", end="")
        print_json(found["data"])
    if found["last"]:
        print(f"{'last':<12} {when(found['last'])}")
    if found["paused"]:
        print(f"{'next':<12} paused")
    for number, due in enumerate(found["next"]):
        print(f"{'' if number else 'next':<12} {when(due)}")


def _is_there(client: "Client", path: str) -> bool:
    try:
        client.get(path)
    except Refusal as refusal:
        if refusal.kind == "not-there":
            return False
        raise
    return True


def _path(schedule: str) -> str:
    return f"/schedules/{segment(schedule)}"
