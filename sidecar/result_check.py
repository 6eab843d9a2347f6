"""`sidecar._result_check`, the checks on bytes, where it is built. Elsewhere no script runs and nothing is checked, but
the commands that need neither load the modules that would."""

from typing import NoReturn

from sidecar.errors import SidecarError

__all__ = ["check", "count", "look", "outline"]


def _absent(*_arguments: object) -> NoReturn:
    raise SidecarError("the extension sidecar._result_check has not been built; install the package again")


try:
    from sidecar._result_check import check, count, look, outline
except ImportError:
    check = count = look = outline = _absent
