"""The command ``scriptforge``: one file per command, each with ``add_parser`` and ``run``.

Nothing is imported before `main` has begun. Reading the program in takes 0.15 s, in which Ctrl-C would print where in
an import it came.
"""


def main(arguments: "list[str] | None" = None) -> int:
    """Run one command; the process's exit status."""
    import os  # noqa: PLC0415 - see above
    import signal  # noqa: PLC0415

    interrupted = 130
    try:
        former = signal.signal(signal.SIGINT, lambda *_: os._exit(interrupted))
    except ValueError:  # not the main thread, which is where Ctrl-C goes
        former = None
    try:
        from sidecar.cli import command_line  # noqa: PLC0415

        given = command_line.read(arguments)
    finally:
        if former is not None:
            signal.signal(signal.SIGINT, former)
    return command_line.run_command(given)
