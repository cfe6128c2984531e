"""The migrated database is what the models say: columns, types, keys, checks and indexes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tortoise import Tortoise
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from tests.factories import execute

pytestmark = pytest.mark.usefixtures("db")

# Owned by modules, not by models: what is derived from stories, what the migrations note, and the library's queue.
WITHOUT_MODEL = {
    "live_term",
    "head_term",
    "term_count",
    "live_search",
    "head_search",
    "live_word",
    "tag_merge_story",
    "related",
    "unrelated",
    "cache_purge",
    "tortoise_migrations",
    "pgqueuer",
    "pgqueuer_log",
    "pgqueuer_schedules",
    "pgqueuer_statistics",
}
# Indexes on a part of the rows, which Tortoise has no words for.
PARTIAL = {
    "article_publish_at": ("article", "(publish_at) WHERE (publish_at IS NOT NULL)"),
    "article_unpublish_at": ("article", "(unpublish_at) WHERE (unpublish_at IS NOT NULL)"),
    "article_scheduled_revision": ("article", "(scheduled_revision_id) WHERE (scheduled_revision_id IS NOT NULL)"),
    "article_embargoed_until": ("article", "(embargoed_until) WHERE (embargoed_until IS NOT NULL)"),
    "article_gone_at": ("article", "(gone_at) WHERE (gone_at IS NOT NULL)"),
    "article_due_at": ("article", "(due_at) WHERE (due_at IS NOT NULL)"),
    "live_seo_image": (
        "live",
        "(((seo ->> 'image_id'::text))) WHERE ((seo ->> 'image_id'::text) IS NOT NULL)",
    ),
}
TYPES = {
    "UUID": "uuid",
    "TEXT": "text",
    "INT": "integer",
    "BIGINT": "bigint",
    "SMALLINT": "smallint",
    "BOOL": "boolean",
    "TIMESTAMPTZ": "timestamp with time zone",
    "JSONB": "jsonb",
    "BYTEA": "bytea",
    "DOUBLE PRECISION": "double precision",
}


def models() -> list[type[Model]]:
    assert Tortoise.apps is not None
    return [model for model in Tortoise.apps["cms"].values() if not model._meta.abstract]


def sql_type(field: Any) -> str:
    dialect = field.get_for_dialect("postgres", "SQL_TYPE")
    if found := re.fullmatch(r"VARCHAR\((\d+)\)", dialect):
        return f"character varying({found[1]})"
    return TYPES[dialect.removesuffix("[]").upper()] + ("[]" if dialect.endswith("[]") else "")


async def columns(table: str) -> dict[str, tuple[str, bool]]:
    rows = await execute(
        "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
        "where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
        f'"{table}"',
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_the_tables_are_those_of_the_models() -> None:
    rows = await execute(
        "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
    )
    assert {row[0] for row in rows} - WITHOUT_MODEL == {model._meta.db_table for model in models()}


async def test_columns_have_the_types_and_nulls_of_the_fields() -> None:
    for model in models():
        fields = {
            field.source_field or name: (sql_type(field), not field.null)
            for name, field in model._meta.fields_map.items()
            if field.has_db_field
        }
        assert await columns(model._meta.db_table) == fields, model.__name__


async def test_foreign_keys_restrict_or_set_null_and_are_indexed() -> None:
    rows = await execute(
        "select conrelid::regclass::text, attname, confrelid::regclass::text, confdeltype::text, "
        "exists (select from pg_index where indrelid = conrelid and indkey[0] = conkey[1]) "
        "from pg_constraint join pg_attribute on attrelid = conrelid and attnum = conkey[1] "
        "where contype = 'f' and connamespace = 'public'::regnamespace"
    )
    cascading = {(row[0], row[1]) for row in rows if row[3] not in ("r", "n", "a")}
    derived = ("live_term", "head_term", "live_search", "head_search", "related")
    # What is part of its owner goes with it.
    assert cascading == {
        ("tag_name", "tag_id"),
        ("tag_merge_story", "merge_id"),
        *((table, "article_id") for table in derived),
    }
    assert [row[:2] for row in rows if not row[4]] == []
    keys = {(row[0].strip('"'), row[1], row[2].strip('"')) for row in rows if row[0].strip('"') not in WITHOUT_MODEL}
    assert keys == {
        (model._meta.db_table, field.source_field, field.related_model._meta.db_table)
        for model in models()
        for field in model._meta.fields_map.values()
        if isinstance(field, ForeignKeyFieldInstance)
    }


async def test_indexes_are_those_of_the_models() -> None:
    rows = await execute(
        "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' and not exists "
        "(select from pg_constraint where conname = indexname)"
    )
    found = {row[1]: (row[0], row[2]) for row in rows if row[0] not in WITHOUT_MODEL}
    for name, (table, definition) in PARTIAL.items():
        here, found_definition = found.pop(name)
        assert here == table and found_definition.endswith(definition), found_definition
    expected = {}
    for model in models():
        for index in model._meta.indexes:
            names = [
                model._meta.fields_map[f].source_field or f if f in model._meta.fields_map else f for f in index.fields
            ]
            method = "gin" if isinstance(index, GinIndex) else "btree"
            expected[index.name] = (model._meta.db_table, f"USING {method} ({', '.join(names)})", index.extra or "")
    assert found.keys() == expected.keys()
    for name, (table, columns_, extra) in expected.items():
        assert found[name][0] == table
        assert columns_ in found[name][1].replace('"', ""), name
        assert ("WHERE" in found[name][1]) == ("WHERE" in extra), name


async def test_checks_and_unique_constraints_are_those_of_the_models() -> None:
    rows = await execute(
        "select conname, contype::text, (select array_agg(attname::text order by n) from unnest(conkey) "
        "with ordinality x (num, n) join pg_attribute on attrelid = conrelid and attnum = num) from pg_constraint "
        "where contype in ('c', 'u') and connamespace = 'public'::regnamespace and conrelid <> 0 "
        "and conrelid::regclass::text <> all($1)",
        list(WITHOUT_MODEL),
    )
    checks = {row[0] for row in rows if row[1] == "c"}
    unique = {tuple(row[2]) for row in rows if row[1] == "u"} | await unique_indexes()
    constraints = [c for model in models() for c in model._meta.constraints]
    assert checks == {c.name for c in constraints if isinstance(c, CheckConstraint)}
    named = {tuple(c.fields) for c in constraints if isinstance(c, UniqueConstraint)}
    single = {
        (field.source_field or name,)
        for model in models()
        for name, field in model._meta.fields_map.items()
        if field.unique and not field.pk
    }
    assert named | single <= unique


async def unique_indexes() -> set[tuple[str, ...]]:
    rows = await execute(
        "select array(select attname::text from unnest(indkey) with ordinality x (num, n) join pg_attribute "
        "on attrelid = indrelid and attnum = num order by n) from pg_index join pg_class on pg_class.oid = indrelid "
        "where indisunique and relnamespace = 'public'::regnamespace"
    )
    return {tuple(row[0]) for row in rows}


async def test_checks_hold() -> None:
    for statement in (
        "insert into site select * from site",
        "update site set single = false",
        "update site set locale = 'xx'",
    ):
        with pytest.raises(Exception, match=r"site|violates"):
            await execute(statement)


async def test_what_stories_name_is_put_into_its_index_at_once() -> None:
    """Else who publishes reads, and in the end puts in its place, what others have left."""
    late = "indexdef like '%USING gin%' and indexdef not like '%(fastupdate=off)'"
    assert await execute(f"select indexname from pg_indexes where tablename in ('live', 'head') and {late}") == []
