"""What processes hold in memory, each page that several of them share divided among them."""

from pathlib import Path


def proportional_bytes(process: int) -> int:
    """The process's proportional set size. Raises PermissionError for one that may not be looked into, as of workers
    by anybody but root."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1_024
    raise ValueError(f"no proportional set size of process {process}")
