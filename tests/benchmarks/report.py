"""What the benchmarks print: tables of Markdown, and what was measured on what."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import version

import asyncpg

from tests.benchmarks import postgraphile
from tests.benchmarks.load import Measured

CELL = "requests a second (p50 / p99 in ms; CPU ms a request: server + PostgreSQL)"


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table, its cells filled up so that it reads well as it is."""
    width = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    lines = [head, ["-" * each for each in width], *rows]
    return [
        "| " + " | ".join(cell.ljust(size) for cell, size in zip(line, width, strict=True)) + " |" for line in lines
    ]


def cell(found: Measured | None) -> str:
    if found is None:
        return "-"
    spent = f"{found.server:.2f} + {found.postgres:.2f}"
    return f"{found.per_second:,.0f} ({found.p50:.1f} / {found.p99:.1f}; {spent})"


def at_least(times: float, least: float) -> str:
    return f"{times:.2f} (≥ {least:g}{_met(times >= least)})"


def at_most(value: float, most: float) -> str:
    return f"{value:.1f} (≤ {most:g}{_met(value <= most)})"


def _met(is_met: bool) -> str:
    return "" if is_met else ", missed"


async def conditions(url: str, what: str) -> str:
    """The machine, and what ran on it."""
    connection = await asyncpg.connect(url)
    found = {"Python": platform.python_version(), "PostgreSQL": (await connection.fetchval("show server_version"))}
    await connection.close()
    found |= {name: version(name) for name in ("uvicorn", "strawberry-graphql", "tortoise-orm", "asyncpg")}
    with suppress(postgraphile.Unavailable):
        found |= {"postgraphile": postgraphile.version(), "node": postgraphile.node_version()}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return f"{what}; {machine}; " + ", ".join(f"{name} {number}" for name, number in found.items())
