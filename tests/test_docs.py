"""The documentation against the code: it names every setting, command and code, and its queries are valid."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from graphql import build_schema, parse, validate

from cms import cli, demo
from cms.settings import Settings, settings
from schema import schema
from schema.context import Context
from schema.problems import ProblemCode
from tests import checks

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
SDL = build_schema(schema.as_str())


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


QUERIES = [
    pytest.param(query, id=f"{page.name}-{number}")
    for page in PAGES
    for number, query in enumerate(blocks(page, "graphql"), 1)
]


def commands(group: typer.Typer, prefix: str = "cms") -> Iterator[str]:
    def walk(command: object, name: str) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name
        else:
            for each, one in inner.items():
                yield from walk(one, f"{name} {each}")

    yield from walk(typer.main.get_command(group), prefix)


@pytest.mark.parametrize("query", QUERIES)
def test_queries_are_valid(query: str) -> None:
    assert validate(SDL, parse(query)) == []


def test_there_are_queries() -> None:
    assert len(QUERIES) > 8


def test_every_setting_is_described_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `(CMS_\w+)` \| (.*) \|$", (ROOT / "docs/operators.md").read_text(), re.M))
    expected = {f"CMS_{name.upper()}": field for name, field in Settings.model_fields.items()}
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        default, meaning = row.split(" | ", 1)
        assert meaning == expected[name].description
        if name != "CMS_DATA_DIR":
            value = expected[name].get_default()
            printed = str(value).lower() if isinstance(value, bool) else str(value)
            assert default.strip() == ("" if value in (None, ()) else f"`{printed}`"), name


def test_every_command_is_described() -> None:
    described = re.findall(r"^\| `(cms [a-z ]+)` \| .+ \|$", (ROOT / "docs/operators.md").read_text(), re.M)
    assert sorted(described) == sorted(commands(cli.app))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    known = list(commands(cli.app))
    groups = {command.rsplit(" ", 1)[0] for command in known if command.count(" ") == 2}
    for name in re.findall(r"(?:^|`)(cms [a-z]+(?: [a-z]+)?)", page.read_text(), re.M):
        first = " ".join(name.split()[:2])
        assert name in groups or name in known or (first in known and first not in groups), name


def test_every_problem_is_explained() -> None:
    explained = re.findall(r"^\| `([A-Z_]+)` \| .+ \|$", (ROOT / "docs/frontend.md").read_text(), re.M)
    assert {code.name for code in ProblemCode} <= set(explained)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.fixture
def files(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CMS_DATA_DIR", str(data_dir))
    settings.cache_clear()
    yield
    settings.cache_clear()


async def test_the_demo_answers_the_readmes_query_as_it_says(db: None, files: None) -> None:
    await demo.make()
    (query,), (answer,) = (blocks(ROOT / "README.md", language) for language in ("graphql", "json"))
    result = await schema.execute(query, context_value=Context())
    assert result.errors is None
    assert {"data": result.data} == json.loads(answer)


async def test_the_demo_answers_the_queries_for_frontends(db: None, files: None) -> None:
    await demo.make()
    asked = re.findall(
        r"^```graphql\n(query.*?)^```(?:\n\n```json\n(.*?)^```)?", (ROOT / "docs/frontend.md").read_text(), re.M | re.S
    )
    for query, variables in asked:
        if "perspective: DRAFT" not in query:
            result = await schema.execute(query, variable_values=json.loads(variables or "{}"), context_value=Context())
            assert result.errors is None
            assert None not in (result.data or {}).values(), query


def test_the_table_of_transitions_is_the_codes() -> None:
    assert checks.EDITORS.read_text() == checks.documented()


def issue_codes() -> set[str]:
    """The literal codes that sources give to issues. Importers report to people, not to clients."""
    found = set()
    for path in [*(ROOT / "cms").rglob("*.py"), *(ROOT / "schema").rglob("*.py")]:
        if "importers" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Issue", "Invalid.field"):
                code = node.args[1] if len(node.args) > 1 else None
                found |= {code.value} if isinstance(code, ast.Constant) else set()
    return found


def test_every_code_of_an_issue_is_explained() -> None:
    section = (ROOT / "docs/errors.md").read_text().split("The codes of `issues`")[1].split("## ")[0]
    explained = {code for row in re.findall(r"^\| (`.+?`) \|", section, re.M) for code in re.findall(r"`(\w+)`", row)}
    assert len(issue_codes()) > 30
    assert issue_codes() - explained == set()
    assert explained - issue_codes() == set()
