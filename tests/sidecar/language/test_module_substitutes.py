"""What is said of modules that authors know from elsewhere."""

import pytest

from sidecar.language.module_substitutes import substitute


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("axios", "fetch"),
        ("npm:axios@1", "fetch"),
        ("https://cdn.example/npm/dayjs@1.11.0/+esm", "Intl.DateTimeFormat"),
        ("csv-parse/lib/sync", "split"),
        ("node:child_process", "no files"),
        ("https://cdn.example/x.js", ""),
        ("https", ""),
        ("cxNone", ""),
        ("", ""),
    ],
)
def test_what_to_use_instead_is_said(name: str, words: str) -> None:
    assert words in substitute(name)
    assert bool(words) is bool(substitute(name))
