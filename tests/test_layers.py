"""The one-way order of the packages: a module imports only from its left, and only at its top."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Modules of one group may import each other: a package's own files do.
ORDER = """
    errors settings logs ids clock slugs | vips embedded mail outbound | body | models | database permissions |
    events live purge keyset references jobs |
    checklist listings paths effects | search | likeness | media taxonomy | accounts newsroom | articles |
    related tag_suggestions |
    comments previews queue revisions tagging translations trusted | changes locks routes | publication | workflow |
    schedules caches |
    worker importers exporters feeds demo | schema | http | app | cli | migrations
"""
RANK = {name: rank for rank, group in enumerate(ORDER.split("|")) for name in group.split()}
ONLY_OUTSIDE = {"strawberry", "starlette"}
OUTSIDE = {"schema", "http", "app", "cli"}


def layer(module: str) -> str | None:
    """The layer of a dotted module name of ours; None for anybody else's."""
    first, *rest = module.split(".")
    return "schema" if first == "schema" else rest[0] if first == "cms" and rest else None


def imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"cms.{alias.name}" if node.module == "cms" else node.module or "" for alias in node.names]


def wrong(path: Path) -> list[str]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own, tree, found = layer(module), ast.parse(path.read_text()), []
    top = {id(node) for node in tree.body}
    deferred = {id(n) for node in tree.body if isinstance(node, ast.If) for n in node.body}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if id(node) not in top | deferred:
            found.append(f"{module}:{node.lineno} imports inside a function")
        for name in imported(node):
            theirs = layer(name)
            if name.split(".")[0] in ONLY_OUTSIDE and own not in OUTSIDE:
                found.append(f"{module} imports {name}")
            if own is not None and theirs is not None and RANK[theirs] > RANK[own]:
                found.append(f"{module} imports {name}, which stands to its right")
    return found


def test_modules_import_from_their_left_only() -> None:
    files = [path for package in ("cms", "schema") for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 50
    assert {layer(".".join(p.relative_to(ROOT).with_suffix("").parts)) for p in files} - {"__init__"} <= RANK.keys()
    assert [line for path in files for line in wrong(path)] == []


def test_a_wrong_import_is_found() -> None:
    assert RANK["errors"] < RANK["models"] < RANK["taxonomy"] < RANK["articles"] < RANK["workflow"] < RANK["schema"]
    node = ast.parse("from cms import workflow, ids").body[0]
    assert isinstance(node, ast.ImportFrom)
    assert imported(node) == ["cms.workflow", "cms.ids"]
