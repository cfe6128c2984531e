"""`make bench`: how fast this machine reads, against what it could read at most, and against others, in the same run.

python -m tests.benchmarks [--stories N] [--seconds S] [--rounds N] [--keep DIRECTORY]

(a) constant bytes   what uvicorn sends of answers that are there already; and with the head that ours bear
(b) SQL by hand      one hand-written statement over join tables that PostgreSQL prints as JSON, sent as it is
Strawberry, PostGraphile   the same site as one would write it with these, on the same tables (relational.py)
cold                 Copydesk that keeps no answers: every request is read from the database; and without its tags,
                     authors, files and sections in memory either
warm                 Copydesk as it is: POST, GET, and GET with the answer's ETag

Before anything is measured, all have to answer the same. All servers stand ready, and are measured one after another,
round by round; what counts is the best round of each, because whatever else the machine does makes it slower only. The
server has the first core to itself, PostgreSQL and the load share the second. The load is wrk's
(https://github.com/wg/wrk); without it, a slower one of our own, which cannot tell the fastest apart.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import asyncpg
import httpx
import orjson

from tests.benchmarks import postgraphile
from tests.benchmarks.load import Measured, Wish, ask_once, load
from tests.benchmarks.running import newsroom, serving
from tests.benchmarks.shapes import Shape, plain, shapes

HOT, KEPT_BYTES = 200, 200 * 1024**2
COLUMNS = {
    "bare": "(a) constant bytes",
    "headed": "(a) with our headers",
    "by hand": "(b) SQL by hand",
    "strawberry": "Strawberry + Tortoise",
    "postgraphile": "PostGraphile",
    "nothing kept": "Copydesk, cold, nothing kept",
    "cold": "Copydesk, cold",
    "post": "Copydesk, warm, POST",
    "get": "Copydesk, warm, GET",
    "304": "Copydesk, warm, 304",
}
# Of whom, of what of whom, and how many times as fast at least: front page, article, tag archive.
DEMANDS = (
    ("post", "headed", (0.8, 0.8, 0.8)),
    ("get", "headed", (0.8, 0.8, 0.8)),
    ("304", "get", (1.0, 1.0, 1.0)),
    ("cold", "by hand", (3.0, 1.5, 5.0)),
    ("cold", "postgraphile", (4.0, 3.0, 5.0)),
    ("nothing kept", "postgraphile", (1.0, 1.0, 1.0)),
)
MOST_SPREAD = 3.0
Ports = dict[str, int]
Row = dict[str, Measured]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="where the filled database is left, or found")
    wish = parser.parse_args()
    with newsroom(wish.stories, wish.keep) as url, ExitStack() as stack:
        asked = shapes(wish.stories)
        ports = _served(stack, url)
        _constant(stack, url, ports, asked)
        print(asyncio.run(_conditions(url, wish.stories)))
        print(f"16 connections, the best of {wish.rounds} rounds of {wish.seconds:g} s each\n", flush=True)
        found = [_measured(shape, number, ports, wish.rounds, wish.seconds) for number, shape in enumerate(asked)]
    print("\n".join([*_table(asked, found), "", *_demands(asked, found)]))


# ------------------------------------------------------------ servers


def _served(stack: ExitStack, url: str) -> Ports:
    """The ports of all of them, by name."""
    cold = {"CMS_ANSWER_BYTES": "0"}
    warm = stack.enter_context(serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES=str(KEPT_BYTES)))
    ports = {
        "post": warm,
        "get": warm,
        "304": warm,
        "cold": stack.enter_context(serving("cms.app:create_app", url, "--factory", **cold)),
        "nothing kept": stack.enter_context(serving("tests.benchmarks.cold:create_app", url, "--factory", **cold)),
        "by hand": stack.enter_context(serving("tests.benchmarks.limits:by_hand", url)),
        "strawberry": stack.enter_context(serving("tests.benchmarks.strawberry_tortoise:app", url)),
    }
    try:
        ports["postgraphile"] = stack.enter_context(postgraphile.serving(url))
    except postgraphile.Unavailable as reason:
        print(f"PostGraphile: - ({reason})", file=sys.stderr)
    return ports


def _constant(stack: ExitStack, url: str, ports: Ports, asked: list[Shape]) -> None:
    """Adds the server of what the warm one answers."""
    kept = [_asked(ports["post"], shape.posts()[0]) for shape in asked]
    hidden = {"date", "server"}  # uvicorn adds them to every answer
    heads = [[item for item in each.headers.items() if item[0] not in hidden] for each in kept]
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "answers"
    file.write_bytes(orjson.dumps([(head, each.text) for head, each in zip(heads, kept, strict=True)]))
    ports["bare"] = ports["headed"] = stack.enter_context(
        serving("tests.benchmarks.limits:constant", url, BENCH_ANSWERS=str(file))
    )


def _asked(port: int, wish: Wish) -> httpx.Response:
    method, head = ("GET", {}) if wish.body is None else ("POST", {"content-type": "application/json"})
    head["accept-encoding"] = "identity"
    return httpx.request(method, f"http://127.0.0.1:{port}{wish.path}", content=wish.body, headers=head, timeout=60)


# ------------------------------------------------------------ measuring


def _wishes(shape: Shape, number: int, ports: Ports) -> dict[str, list[Wish]]:
    """What each of them is asked for; the warm ones only what they keep."""
    hot = replace(shape, slugs=shape.slugs[:HOT])
    wishes = {
        "bare": [Wish(f"/bare/{number}")],
        "headed": [Wish(f"/headed/{number}")],
        "by hand": shape.by_hand(),
        "postgraphile": shape.peer_posts(),
        "post": hot.posts(),
        "get": hot.gets(),
        "304": [replace(each, etag=_asked(ports["304"], each).headers["etag"]) for each in hot.gets()],
    }
    return {name: wishes.get(name) or shape.posts() for name in COLUMNS if name in ports}


def _measured(shape: Shape, number: int, ports: Ports, rounds: int, seconds: float) -> Row:
    _check(shape, ports)
    wishes = _wishes(shape, number, ports)
    for name, asked in wishes.items():
        ask_once(ports[name], asked)
        load(ports[name], asked, seconds=1)
    found: dict[str, list[Measured]] = {name: [] for name in wishes}
    for _ in range(rounds):
        for name, asked in wishes.items():
            found[name].append(load(ports[name], asked, seconds=seconds))
    return {name: max(each, key=lambda measured: measured.per_second) for name, each in found.items()}


def _check(shape: Shape, ports: Ports, times: int = 5) -> None:
    """All of them answer the same, or nothing is measured."""
    for n in range(min(times, len(shape.slugs) or 1)):
        wanted = plain(_asked(ports["post"], shape.posts()[n]).json())
        for name in ("cold", "nothing kept", "strawberry", "by hand", "postgraphile"):
            if name in ports:
                asked = {"by hand": shape.by_hand, "postgraphile": shape.peer_posts}.get(name, shape.posts)()[n]
                answer = _asked(ports[name], asked).json()
                found = {"data": shape.as_ours(answer["data"])} if name == "postgraphile" else answer
                if plain(found) != wanted:
                    raise SystemExit(f"{shape.name}: {COLUMNS[name]} answers {found}\n\nwhere Copydesk has {wanted}")


# ------------------------------------------------------------ printing


async def _conditions(url: str, stories: int) -> str:
    """The machine, and what ran on it."""
    connection = await asyncpg.connect(url)
    found = {"Python": platform.python_version(), "PostgreSQL": (await connection.fetchval("show server_version"))}
    await connection.close()
    found |= {name: version(name) for name in ("uvicorn", "strawberry-graphql", "tortoise-orm", "asyncpg")}
    with suppress(postgraphile.Unavailable):
        found |= {"postgraphile": postgraphile.version(), "node": postgraphile.node_version()}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return f"{stories:,} stories; {machine}; " + ", ".join(f"{name} {number}" for name, number in found.items())


def _table(asked: list[Shape], found: list[Row]) -> list[str]:
    head = ["requests a second (p50 / p99 in ms)", *(shape.name for shape in asked)]
    rows = [[title, *(_cell(row.get(name)) for row in found)] for name, title in COLUMNS.items()]
    return markdown(head, rows)


def _cell(measured: Measured | None) -> str:
    return f"{measured.per_second:,.0f} ({measured.p50:.1f} / {measured.p99:.1f})" if measured else "-"


def _demands(asked: list[Shape], found: list[Row]) -> list[str]:
    """What is to be reached: as often as something else, and how far the slowest are from the usual."""
    rows = [
        [
            f"{COLUMNS[ours]} : {COLUMNS[other]}",
            *(_ratio(row, ours, other, least) for row, least in zip(found, wanted, strict=True)),
        ]
        for ours, other, wanted in DEMANDS
    ]
    spread = [row["cold"].p99 / row["cold"].p50 for row in found]
    rows.append(
        [
            f"{COLUMNS['cold']}, p99 : p50",
            *(f"{each:.1f} (≤ {MOST_SPREAD}{_met(each <= MOST_SPREAD)})" for each in spread),
        ]
    )
    return markdown(["times as many (wanted)", *(shape.name for shape in asked)], rows)


def _ratio(row: Row, ours: str, other: str, least: float) -> str:
    if other not in row:
        return "-"
    times = row[ours].per_second / row[other].per_second
    return f"{times:.2f} (≥ {least}{_met(times >= least)})"


def _met(is_met: bool) -> str:
    return "" if is_met else ", missed"


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table, its cells filled up so that it reads well as it is."""
    width = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    lines = [head, ["-" * each for each in width], *rows]
    return [
        "| " + " | ".join(cell.ljust(size) for cell, size in zip(line, width, strict=True)) + " |" for line in lines
    ]


if __name__ == "__main__":
    main()
