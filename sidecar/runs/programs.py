"""Scripts of the catalog as the sandbox runs them."""

import platform
from collections.abc import Iterable

from sandbox.program import Program
from sidecar import hosts
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import Grants
from sidecar.kind import RULES


def key_of(script: Script) -> str:
    """Names this version of a script."""
    return f"{script.id}@{script.version}"


class Programs:
    """The programs of one thing that scripts are run for: each made once for a version of its script, and kept until
    the catalog has it no more."""

    __slots__ = ("_adapter", "_grants", "_made", "_memory_bytes", "_shared_memory")

    def __init__(self, adapter: str, memory_bytes: int, *, shared_memory: bool, grants: Grants) -> None:
        self._adapter = adapter
        self._memory_bytes = memory_bytes
        self._shared_memory = shared_memory
        self._grants = grants
        self._made: dict[str, Program] = {}

    def of(self, script: Script) -> Program:
        """The program of a script."""
        key = key_of(script)
        program = self._made.get(key)
        if program is None:
            program = self._made[key] = self._program(key, script)
        return program

    def retain(self, scripts: Iterable[Script]) -> None:
        """Forget the programs of all but these scripts."""
        kept = {key_of(script) for script in scripts}
        for key in self._made.keys() - kept:
            del self._made[key]

    def _program(self, key: str, script: Script) -> Program:
        packages = self._grants.packages(script)
        return Program(
            key=key,
            name=script.name,
            suspends=RULES[script.kind].waits,
            text=script.prepared.text,
            form=script.prepared.form,
            links=script.prepared.links,
            exports=script.prepared.exports,
            files=script.prepared.files,
            adapter=self._adapter,
            entries=script.entries,
            modules={name: module.javascript for name, module in self._grants.granted(script).items()},
            packages=packages.packages,
            begun_packages=packages.begun,
            package_globals=packages.globals,
            environment={
                **script.environment,
                "SCRIPTFORGE_ID": script.id,
                "SCRIPTFORGE_UUID": script.uuid,
                "SCRIPTFORGE_NAME": script.name,
                "APP_ID": script.app,
                "EXEC_HOST": platform.node(),
            },
            memory_bytes=script.memory_bytes or int(self._memory_bytes * RULES[script.kind].memory_share),
            shared_memory=self._shared_memory,
        )


def decision_programs(configuration: Configuration, grants: Grants) -> Programs:
    """For Class 4: the memory limit is all runs' of a script together."""
    return Programs(hosts.source("routing"), configuration.sandbox.memory_bytes, shared_memory=True, grants=grants)


def call_programs(configuration: Configuration, grants: Grants) -> Programs:
    """For Class 5: the limit is each call's own, or a script could not have more than a few hundred calls at once."""
    return Programs(hosts.source("call"), configuration.voice.call_memory_bytes, shared_memory=False, grants=grants)


def job_programs(configuration: Configuration, grants: Grants) -> Programs:
    """For jobs, which are given and give what runs over HTTP do."""
    return Programs(hosts.source("request"), configuration.jobs.memory_bytes, shared_memory=False, grants=grants)


def worker_programs(configuration: Configuration, grants: Grants) -> Programs:
    """For Workers, of which each goes on from message to message: with half the memory of an App, as its kind says."""
    return Programs(hosts.source("worker"), configuration.platform.memory_bytes, shared_memory=False, grants=grants)


def request_programs(configuration: Configuration, grants: Grants) -> Programs:
    """For runs over HTTP: the limit is each run's own, since some wait for long."""
    return Programs(hosts.source("request"), configuration.platform.memory_bytes, shared_memory=False, grants=grants)
