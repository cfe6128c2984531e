"""What `make check` sees to besides style and types: that generated files are what the code makes now."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tortoise import Tortoise
from tortoise.migrations.autodetector import MigrationAutodetector

import schema
from cms import database

SDL = Path(schema.__file__ or "").with_name("schema.graphql")


def schema_is_printed() -> list[str]:
    if SDL.exists() and SDL.read_text() == schema.schema.as_str().rstrip() + "\n":
        return []
    return ["schema/schema.graphql is not what the code says: cms schema > schema/schema.graphql"]


async def migrations_are_written() -> list[str]:
    context = await Tortoise.init(config=database.TORTOISE, init_connections=False)
    assert context.apps is not None
    changes = await MigrationAutodetector(context.apps, database.TORTOISE["apps"]).changes()
    advice = "tortoise -c cms.database.TORTOISE makemigrations"
    return [f"the models have changes that no migration makes ({change.name}): {advice}" for change in changes]


def main() -> None:
    problems = [*schema_is_printed(), *asyncio.run(migrations_are_written())]
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main()
