"""A script and a call in files, and the command that runs the one on the other."""

from pathlib import Path

from sidecar.cli import main

CALL = '{"routing":{"cli":"1","dest_number":"2","egress_routing":[{"gw":{"a":{"cli":"1"}}},{"gw":{"b":{"cli":"1"}}}]}}'


def run(desk: Path, text: str, *options: str) -> int:
    (desk / "a.js").write_text(text)
    return main(["run", "a.js", "--data", "call.json", "--config", "sidecar.toml", *options])


def without_time(text: str) -> str:
    assert text.splitlines()[-1].startswith("time ")
    return "\n".join(text.splitlines()[:-1])
