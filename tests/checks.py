"""What `make check` sees to besides style and types: that generated files are what the code makes now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

import schema
from cms import database
from cms.permissions import GRANTS, Action
from cms.workflow import TRANSITIONS, Transition

EDITORS = Path(__file__).parent.parent / "docs/editors.md"
BEGIN, END = "<!-- transitions: python -m tests.checks writes this table -->", "<!-- end -->"
LEAST = {
    Transition.SUBMIT: "CONTRIBUTOR, own story",
    Transition.TRASH: "EDITOR, or CONTRIBUTOR on an own DRAFT",
    Transition.UNTRASH: "EDITOR, or CONTRIBUTOR on an own DRAFT",
}
SDL = Path(schema.__file__ or "").with_name("schema.graphql")


def schema_is_printed() -> list[str]:
    if SDL.exists() and SDL.read_text() == schema.schema.as_str().rstrip() + "\n":
        return []
    return ["schema/schema.graphql is not what the code says: cms schema > schema/schema.graphql"]


def transitions() -> str:
    """The table of what can happen to a story, for docs/editors.md."""
    rows = [
        f"| {name} | {rule.when} | {rule.then} | {LEAST.get(name, GRANTS[Action[name]])} |"
        for name, rule in TRANSITIONS.items()
    ]
    return "\n".join(["| transition | when | the status then | least role |", "|---|---|---|---|", *rows])


def documented() -> str:
    """docs/editors.md as it should be."""
    before, rest = EDITORS.read_text().split(BEGIN)
    return f"{before}{BEGIN}\n\n{transitions()}\n\n{END}{rest.split(END)[1]}"


async def migrations_are_written() -> list[str]:
    context = await Tortoise.init(config=database.TORTOISE, init_connections=False)
    assert context.apps is not None
    changes = await MigrationAutodetector(context.apps, database.TORTOISE["apps"]).changes()
    advice = "tortoise -c cms.database.TORTOISE makemigrations"
    return [f"the models have changes that no migration makes ({change.name}): {advice}" for change in changes]


def main() -> None:
    EDITORS.write_text(documented())
    problems = [*schema_is_printed(), *asyncio.run(migrations_are_written())]
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
