"""docs/security.md says which test shows what: it must name every row, and only tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROWS = [
    f"{letter}{n}"
    for letter, last in {"L": 18, "A": 13, "G": 17, "H": 10, "Q": 5, "T": 9}.items()
    for n in range(1, last + 1)
] + ["U10", "U11", "W1", "W2", "W3"]
_TABLE = dict(re.findall(r"^\| ([A-Z]\d+) \| .* \| (.*) \|$", Path("docs/security.md").read_text(), re.M))


def _tests() -> set[str]:
    sources = [path.read_text() for path in Path("tests").glob("test_*.py")]
    return {name for source in sources for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.M)}


def test_every_row_has_a_test_or_a_reason() -> None:
    assert list(_TABLE) == ROWS
    for row, shown_by in _TABLE.items():
        assert re.search(r"test_\w+|^cannot be: |^not yet: ", shown_by), row
        assert "TODO" not in shown_by


def test_every_test_that_is_named_exists() -> None:
    named = {name for shown_by in _TABLE.values() for name in re.findall(r"test_\w+", shown_by)}
    assert named - _tests() == set()


def test_tests_with_the_id_of_a_row_are_of_that_row() -> None:
    """What a row names bears its id, or says in its name what it does for several."""
    for name in _tests():
        if found := re.match(r"test_([lagqth])(\d+)_", name, re.I):
            assert f"{found[1].upper()}{found[2]}" in ROWS, name
