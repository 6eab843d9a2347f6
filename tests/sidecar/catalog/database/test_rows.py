"""What rows are called where something is told of them."""

import pytest

from sidecar.catalog.database.rows import ScriptRow


@pytest.mark.parametrize(
    ("script_id", "app", "name", "called"),
    [
        ("12", "counting", "calls.js", "script counting/calls.js (12)"),
        ("12", "", "calls.js", "script calls.js (12)"),
        ("menu", "", "menu.js", "script menu.js"),
        ("menu", "ivr", "menu.js", "script ivr/menu.js"),
        ("menu", "", "menu", "script menu"),
    ],
)
def test_a_script_is_called_by_its_app_and_its_name(script_id: str, app: str, name: str, called: str) -> None:
    row = ScriptRow(
        id=script_id,
        tenant="acme",
        app=app,
        name=name,
        path=name,
        kind="app",
        uuid="11111111-2222-3333-4444-555555555555",
        text="",
        prepared="",
        environment={},
        memory_bytes=None,
        modules=None,
        global_routing_priority="disabled",
        timeout_ms=None,
        timeout_action=None,
        error_action=None,
        vars="{}",
        position=0,
    )
    assert str(row.place) == called
