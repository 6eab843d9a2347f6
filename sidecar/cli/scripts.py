"""``scriptforge scripts``: the scripts at a server, and folders of them."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.cli.remote.app_scripts import AppFolder, Step, find_script, require_app
from sidecar.cli.remote.checkout import LocalFile, local_files
from sidecar.cli.remote.command import add_server_options, at_server, problems_of, tell
from sidecar.cli.remote.errors import CHANGED, EXIT_STATUS_TEXT, PROBLEMS_FOUND, Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.run_text import run_text
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.cli.terminal import Paint, Painter
from sidecar.kind import MAIN, Kind
from sidecar.report import report_json
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_LIST: Final[Columns] = {
    "ID": "id",
    "NAME": "name",
    "APP": "app",
    "KIND": "kind",
    "VERSION": "version",
    "PUBLIC": "public",
    "UUID": "uuid",
}
_VERSIONS: Final[Columns] = {
    "VERSION": "number",
    "SAVED": lambda one: when(one["at"]),
    "BY": "who",
    "KIND": "kind",
    "HASH": lambda one: one["hash"][:12],
    "NOTE": "note",
}
_PAINTS = {"+": Paint.GOOD, "~": Paint.CHANGED, "-": Paint.BAD, "!": Paint.BAD}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``scripts`` command."""
    parser = subparsers.add_parser(
        "scripts",
        help="list, pull, push, compare and roll back scripts at a server",
        description="SCRIPT is a script's id, its uuid, or its name where no other has it.",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="scripts_command")
    _add_folder_commands(commands)
    _add_script_commands(commands)


def _add_folder_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = commands.add_parser("list", help="those that there are")
    listing.add_argument("--app", metavar="APP", help="of this app alone; of none: an empty text")
    _finish(listing, _list_scripts)

    pull = commands.add_parser(
        "pull",
        help="write an app's scripts to a folder",
        description="What was changed both here and at the server is left as it is and told of, with exit status 3.",
    )
    _add_folder(pull)
    pull.add_argument("--force", action="store_true", help="put the server's in the place of what was changed here")
    _finish(pull, _pull)

    push = commands.add_parser(
        "push",
        help="save a folder's files as an app's scripts: all that was changed, or none of it",
        description="Saves .js, .mjs, .ts and .json files, those in folders below too, but for *.test.*, *.d.ts,"
        " editors' settings and what is hidden. Where somebody else has saved one of them since it was pulled,"
        " nothing is saved and it is said who and when.",
    )
    _add_folder(push)
    push.add_argument("--only", action="append", default=[], metavar="FILE", help="this file alone; several one by one")
    push.add_argument("--note", default="", help="why; kept with each version")
    push.add_argument(
        "--kind", choices=[kind.value for kind in Kind], help="what they are; new ones are Apps by default"
    )
    push.add_argument(
        "--public", action=argparse.BooleanOptionalAction, help="whether whoever knows a script's uuid may run it"
    )
    push.add_argument("--delete", action="store_true", help="take out what was pulled and is here no more")
    push.add_argument("--force", action="store_true", help="overwrite what others have saved meanwhile")
    _finish(push, _push)

    diff = commands.add_parser(
        "diff",
        help="what a folder has that the server has not, or what two versions of a script differ in",
        description="Exit status 3 where something differs.",
    )
    diff.add_argument("what", nargs="?", default=".", metavar="DIR|SCRIPT", help="with --from a script; default: here")
    diff.add_argument("--app", metavar="APP", help="the app that the folder is; default: the last one")
    diff.add_argument("--from", type=int, metavar="N", dest="before", help="this version of the script")
    diff.add_argument("--to", type=int, metavar="N", help="with --from: and this one; default: the one that runs")
    _finish(diff, _diff)


def _add_script_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    versions = commands.add_parser("versions", help="every text that was saved, the newest first")
    versions.add_argument("script", metavar="SCRIPT")
    versions.add_argument("-n", type=int, default=20, metavar="N", dest="most", help="so many; default: 20")
    _finish(versions, _versions)

    rollback = commands.add_parser(
        "rollback", help="have the text of an earlier version run again, as the next version"
    )
    rollback.add_argument("script", metavar="SCRIPT")
    rollback.add_argument("version", type=int, metavar="VERSION")
    rollback.add_argument("--note", default="", help="why; default: which version it is again")
    _finish(rollback, _rollback)

    show = commands.add_parser("show", help="print a script's text")
    show.add_argument("script", metavar="SCRIPT")
    show.add_argument("--version", type=int, metavar="N", help="default: the one that runs")
    _finish(show, _show)

    save = commands.add_parser(
        "save",
        help="save one file as a script, of any app or of none",
        description="Without --version a script that is there is left as it is: read its version first.",
    )
    save.add_argument("script", metavar="SCRIPT", help="an id; a new one makes a script")
    save.add_argument("file", type=Path, metavar="FILE")
    save.add_argument("--app", metavar="APP", help="of a new script: the app that it is of; default: none")
    save.add_argument("--version", type=int, metavar="N", help="the version that was seen, in whose place this comes")
    save.add_argument("--note", default="", help="why; kept with the version")
    save.add_argument("--kind", choices=[kind.value for kind in Kind], help="default: as it is, or an App")
    save.add_argument("--force", action="store_true", help="whatever is there")
    _finish(save, _save)

    run = commands.add_parser("run", help="run a script at the server, and show its console and its result")
    run.add_argument("script", metavar="SCRIPT")
    run.add_argument("function", nargs="?", default=MAIN, metavar="FUNCTION", help="default: main")
    run.add_argument("--data", metavar="FILE", help="its first argument as a JSON object; - for standard input")
    _finish(run, _run)

    remove = commands.add_parser("remove", help="take a script out, with its versions, that is assigned nowhere")
    remove.add_argument("script", metavar="SCRIPT")
    _finish(remove, _remove)


def _finish(parser: argparse.ArgumentParser, asks: Any) -> None:
    add_server_options(parser)
    parser.set_defaults(run=at_server(asks))


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument("--app", metavar="APP", help="the app that the folder is; default: the last one")


def _list_scripts(arguments: argparse.Namespace, client: "Client") -> int:
    if arguments.app:
        require_app(client, arguments.app)
    print_list(client.pages("/scripts", app=arguments.app), _LIST, json=arguments.json)
    return 0


def _pull(arguments: argparse.Namespace, client: "Client") -> int:
    folder: Path = arguments.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(f"{folder}: {error.strerror}") from error
    app = AppFolder(client, folder, arguments.app)
    steps = app.pull(local_files(folder), force=arguments.force)
    _print_steps(app, steps, arguments.json)
    return CHANGED if any(step.sign == "!" for step in steps) else 0


def _push(arguments: argparse.Namespace, client: "Client") -> int:
    app = AppFolder(client, arguments.folder, arguments.app)
    local = _local(arguments.folder)
    only = [Path(one).as_posix() for one in arguments.only]
    for one in only:
        if one not in local:
            raise ServerError(f"--only {one}: there is no such file in {arguments.folder}")
    try:
        steps = app.push(
            local,
            note=arguments.note,
            kind=arguments.kind,
            public=arguments.public,
            force=arguments.force,
            only=only,
        )
    except Refusal as refusal:
        if arguments.json and refusal.problems:
            print(report_json(problems_of(refusal)), end="")
            return PROBLEMS_FOUND
        tell(refusal, {path: file.text for path, file in local.items()})
        if refusal.problems:
            print("scriptforge: nothing was saved; what runs goes on", file=sys.stderr)
        return refusal.exit_status
    stay: list[ServerError] = []
    if not only and arguments.delete:
        removed, stay = app.remove_gone(local, force=arguments.force)
        steps += removed
    elif not only:
        steps += app.gone(local)
    _print_steps(app, steps, arguments.json)
    for error in stay:
        tell(error)
    return stay[0].exit_status if stay else 0


def _local(folder: Path) -> dict[str, LocalFile]:
    if folder.is_file():
        raise ServerError(f"{folder}: is a file: `--only {folder.name}` after its folder takes that file alone")
    if not folder.is_dir():
        raise ServerError(f"{folder}: there is no such folder")
    return local_files(folder)


def _print_steps(app: AppFolder, steps: list[Step], json: bool) -> None:
    if json:
        done = [{"file": one.path, "sign": one.sign.strip(), "what": one.words} for one in steps]
        print_json({"server": app.client.server.url, "tenant": app.kept.tenant, "app": app.app, "files": done})
        return
    paint = Painter.of(sys.stdout)
    width = max((len(step.path) for step in steps), default=0)
    for step in steps:
        print(paint(f"{step.sign} {escaped(step.path):{width}}  {escaped(step.words)}", _PAINTS.get(step.sign)))
    changed = sum(step.sign in "+~-" for step in steps)
    print(escaped(f"app {app.app or '(none)'} of {app.kept.tenant} at {app.client.server.url}: {changed} changed"))


def _diff(arguments: argparse.Namespace, client: "Client") -> int:
    if arguments.before is not None:
        script, _ = find_script(client, arguments.what)
        path = f"/scripts/{segment(script['id'])}/versions/{arguments.before}/diff"
        found = client.get(path, to=arguments.to).value
        texts = [found["diff"]] if found["diff"] else []
        if arguments.json:
            print_json(found)
    else:
        folder = Path(arguments.what)
        app = AppFolder(client, folder, arguments.app)
        differences = app.differences(_local(folder))
        texts = [text for _, text in differences]
        if arguments.json:
            print_json([{"file": path, "diff": text} for path, text in differences])
    if not arguments.json:
        paint = Painter.of(sys.stdout)
        for text in texts:
            print("".join(_painted(line, paint) for line in escaped_lines(text).splitlines(keepends=True)), end="")
    return CHANGED if texts else 0


def _painted(line: str, paint: Painter) -> str:
    if line.startswith(("+++", "---")):
        kind = Paint.BOLD
    else:
        kind = {"+": Paint.GOOD, "-": Paint.BAD, "@": Paint.TITLE}.get(line[:1])  # type: ignore[assignment]
    return paint(line.rstrip("\n"), kind) + "\n"


def _versions(arguments: argparse.Namespace, client: "Client") -> int:
    script, _ = find_script(client, arguments.script)
    path = f"/scripts/{segment(script['id'])}/versions"
    print_list(client.pages(path, cursor="before", most=max(1, arguments.most)), _VERSIONS, json=arguments.json)
    return 0


def _rollback(arguments: argparse.Namespace, client: "Client") -> int:
    script, etag = find_script(client, arguments.script)
    path = f"/scripts/{segment(script['id'])}/versions/{arguments.version}/restore"
    try:
        saved = client.post(path, {"note": arguments.note}, match=etag).value
    except Refusal as refusal:
        if refusal.changed:
            raise _changed(script) from None
        raise
    if arguments.json:
        print_json(saved)
    elif saved["version"] == script["version"]:
        print(escaped(f"{saved['name']}: version {saved['version']} has this text already"))
    else:
        print(escaped(f"{saved['name']}: version {arguments.version} again, as version {saved['version']}"))
    return 0


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    script, _ = find_script(client, arguments.script)
    path = f"/scripts/{segment(script['id'])}"
    found = client.get(f"{path}/text" if arguments.version is None else f"{path}/versions/{arguments.version}").value
    if arguments.json:
        print_json(found)
    else:
        text = found["text"]
        print(escaped_lines(text) if sys.stdout.isatty() else text, end="" if text.endswith("\n") else "\n")
    return 0


def _save(arguments: argparse.Namespace, client: "Client") -> int:
    file: Path = arguments.file
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ServerError(f"{file}: is not UTF-8 text") from None
    body: dict[str, Any] = {"text": text, "note": arguments.note}
    body |= {"kind": arguments.kind} if arguments.kind is not None else {}
    path = f"/scripts/{segment(arguments.script)}"
    try:
        try:
            answer = client.get(path)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            app: dict[str, Any] = {}
            if arguments.app is not None:
                require_app(client, arguments.app)
                app = {"app": arguments.app}
            saved = client.put(path, body | app | {"name": file.name}, new=True).value
        else:
            script = answer.value
            if arguments.app not in (None, script["app"]):
                owner = f"app {script['app']!r}" if script["app"] else "no app"
                raise ServerError(f"script {script['id']!r} is of {owner}, and stays there: nothing was saved")
            if not arguments.force and arguments.version != script["version"]:
                raise _changed(script)
            saved = client.put(f"{path}/text", body, match="*" if arguments.force else answer.etag).value
    except Refusal as refusal:
        name = refusal.problems[0]["file"] if refusal.problems else file.name
        tell(refusal, {name: text})
        return refusal.exit_status
    if arguments.json:
        print_json(saved)
    else:
        print(escaped(f"{saved['name']}: version {saved['version']}, uuid {saved['uuid']}"))
    return 0


def _changed(script: dict[str, Any]) -> ServerError:
    from sidecar.cli.remote.errors import Conflict  # noqa: PLC0415 - of an error alone

    return Conflict(
        f"script {script['id']!r} is at version {script['version']}, and nothing was saved: `scriptforge scripts"
        f" versions {script['id']}` says who saved it; --version {script['version']} takes its place"
    )


def _run(arguments: argparse.Namespace, client: "Client") -> int:
    data = read_data(arguments.data)
    script, _ = find_script(client, arguments.script)
    path = f"/scripts/{segment(script['id'])}/run/{segment(arguments.function)}"
    found = client.post(path, data).value
    if arguments.json:
        print_json(found)
    else:
        print(run_text(found, Painter.of(sys.stdout)), end="")
    return 0 if found["error"] is None else PROBLEMS_FOUND


def read_data(file: str | None) -> dict[str, Any]:
    """A function's first argument. Raises ServerError."""
    if file is None:
        return {}
    data = read_json(file)
    if not isinstance(data, dict):
        raise ServerError(f"{file}: a function's first argument is an object, {{...}}")
    return data


def read_json(file: str) -> Any:
    """What a file says, or standard input for ``-``. Raises ServerError."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return msgspec.json.decode(content)
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerError(f"{file}: is not JSON: {error}") from None


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    script, etag = find_script(client, arguments.script)
    client.delete(f"/scripts/{segment(script['id'])}", match=etag)
    if not arguments.json:
        print(escaped(f"{script['name']}: is taken out"))
    return 0
