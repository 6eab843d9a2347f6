"""A script of the catalog as the sandbox runs it."""

import platform

from sandbox.program import Kind, Program
from sidecar import hosts
from sidecar.catalog.model import Script
from sidecar.configuration.tree import Configuration
from sidecar.decisions import class4
from sidecar.kind import Kind as ScriptKind
from sidecar.language import es_module

VOICE_ADAPTER = hosts.source("call")


def key_of(script: Script) -> str:
    """Names this version of a script; two adapters of one script are two programs."""
    return f"{script.id}@{script.version}"


def decision_program(script: Script, configuration: Configuration) -> Program:
    """For Class 4."""
    memory_bytes = script.memory_bytes or configuration.sandbox.memory_bytes
    return _program(script, class4.ADAPTER, memory_bytes, shared_memory=True)


def voice_program(script: Script, configuration: Configuration) -> Program:
    """For Class 5: the limit is each call's own, or a script could not have more than a few hundred calls at once."""
    memory_bytes = script.memory_bytes or configuration.voice.call_memory_bytes
    return _program(script, VOICE_ADAPTER, memory_bytes, shared_memory=False)


def _program(script: Script, adapter: str, memory_bytes: int, *, shared_memory: bool) -> Program:
    return Program(
        key=key_of(script),
        name=script.name,
        kind=Kind(script.kind),
        text=es_module.plain(script.text) if script.kind is ScriptKind.APP else script.text,
        adapter=adapter,
        environment={
            **script.environment,
            "SCRIPTFORGE_ID": script.id,
            "SCRIPTFORGE_UUID": script.uuid,
            "SCRIPTFORGE_NAME": script.name,
            "APP_ID": script.app,
            "EXEC_HOST": platform.node(),
        },
        memory_bytes=memory_bytes,
        shared_memory=shared_memory,
    )
