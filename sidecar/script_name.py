"""What messages call a script: an author knows it by its name, and programs by its id."""

from pathlib import PurePosixPath


def script_called(script_id: str, name: str) -> str:
    """Its name, with the id where that is another one."""
    if script_id in (name, PurePosixPath(name).stem):
        return repr(script_id)
    return f"{name!r} ({script_id})"
