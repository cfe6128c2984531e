"""Who is measured beside whom: the columns of the benchmark, their servers, what each is asked, and that all answer the
same."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx
import orjson

from tests.benchmarks import postgraphile
from tests.benchmarks.load import Measured, Wish, ask_once, load
from tests.benchmarks.running import cpu_seconds, serving, take_seats
from tests.benchmarks.shapes import Shape, plain

# The warm ones are asked for so many different answers, and keep them.
HOT, KEPT_BYTES = 200, 200 * 1024**2
COLUMNS = {
    "bare": "(a) constant bytes",
    "headed post": "(a) with our headers, POST",
    "headed get": "(a) with our headers, GET",
    "by hand": "(b) SQL by hand",
    "by hand after front pages": "(b) after front pages",
    "strawberry": "Strawberry + Tortoise",
    "postgraphile": "PostGraphile",
    "nothing kept": "Copydesk, cold, nothing kept",
    "cold": "Copydesk, cold",
    "post": "Copydesk, warm, POST",
    "get": "Copydesk, warm, GET",
    "304": "Copydesk, warm, 304",
}
# Who is compared is measured one after the other.
_TURNS = (
    *("bare", "headed post", "post", "headed get", "get", "304"),
    *("by hand", "cold", "by hand after front pages", "postgraphile", "nothing kept", "strawberry"),
)
_BY_HAND = ("by hand", "by hand after front pages")
_FROM_THE_DATABASE = ("cold", "nothing kept", "strawberry", *_BY_HAND, "postgraphile")
WARM_UP_SECONDS = 3  # node compiles what runs often, and needs some thousand requests for it
Ports = dict[str, int]
K = TypeVar("K")


def served(stack: ExitStack, url: str, shape: Shape, front: Shape) -> Ports:
    """The ports of all of them, by name. Each page has servers, and so connections, of its own: PostgreSQL's process of a
    connection that has answered a large page gives its memory back to the system less often, and then answers a small
    one faster. One server by hand has answered front pages on all its connections before."""
    cold = {"CMS_ANSWER_BYTES": "0"}
    warm = stack.enter_context(serving("cms.app:create_app", url, "--factory", CMS_ANSWER_BYTES=str(KEPT_BYTES)))
    ports = {
        "post": warm,
        "get": warm,
        "304": warm,
        "cold": stack.enter_context(serving("cms.app:create_app", url, "--factory", **cold)),
        "nothing kept": stack.enter_context(serving("tests.benchmarks.cold:create_app", url, "--factory", **cold)),
        **{name: stack.enter_context(serving("tests.benchmarks.limits:by_hand", url)) for name in _BY_HAND},
        "strawberry": stack.enter_context(serving("tests.benchmarks.strawberry_tortoise:app", url)),
    }
    try:
        ports["postgraphile"] = stack.enter_context(postgraphile.serving(url))
    except postgraphile.Unavailable as reason:
        print(f"no PostGraphile: {reason}", file=sys.stderr)
    load(ports["by hand after front pages"], front.by_hand(), seconds=1)
    answer = constant(stack, url, warm, shape.posts()[0])
    return ports | dict.fromkeys(("bare", "headed post", "headed get"), answer)


def constant(stack: ExitStack, url: str, port: int, wish: Wish) -> int:
    """The port of a server of what Copydesk at that port answers."""
    kept = ask(port, wish)
    hidden = {"date", "server"}  # uvicorn adds them to every answer
    head = [item for item in kept.headers.items() if item[0] not in hidden]
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "answer"
    file.write_bytes(orjson.dumps((head, kept.text)))
    return stack.enter_context(serving("tests.benchmarks.limits:constant", url, BENCH_ANSWER=str(file)))


def ask(port: int, wish: Wish) -> httpx.Response:
    method, head = ("GET", {}) if wish.body is None else ("POST", {"content-type": "application/json"})
    head["accept-encoding"] = "identity"
    return httpx.request(method, f"http://127.0.0.1:{port}{wish.path}", content=wish.body, headers=head, timeout=60)


def wishes(shape: Shape, ports: Ports) -> dict[str, list[Wish]]:
    """What each of them is asked for, in the order in which they are measured."""
    hot = replace(shape, slugs=shape.slugs[:HOT])
    differing = {
        "bare": [Wish("/bare")],
        "headed post": [replace(each, path="/headed") for each in hot.posts()],
        "headed get": [replace(each, path=each.path.replace("/graphql", "/headed")) for each in hot.gets()],
        **dict.fromkeys(_BY_HAND, shape.by_hand()),
        "postgraphile": shape.peer_posts(),
        "post": hot.posts(),
        "get": hot.gets(),
        "304": [replace(each, etag=ask(ports["304"], each).headers["etag"]) for each in hot.gets()],
    }
    return {name: differing.get(name) or shape.posts() for name in _TURNS if name in ports}


def check(shape: Shape, ports: Ports, times: int = 5) -> None:
    """All of them answer the same; else it ends here."""
    for n in range(min(times, len(shape.slugs) or 1)):
        wanted = plain(ask(ports["post"], shape.posts()[n]).json())
        for name in _FROM_THE_DATABASE:
            if name not in ports:
                continue
            own = {**dict.fromkeys(_BY_HAND, shape.by_hand), "postgraphile": shape.peer_posts}
            asked = own.get(name, shape.posts)()[n]
            answer = ask(ports[name], asked).json()
            found = {"data": shape.as_ours(answer["data"])} if name == "postgraphile" else answer
            if plain(found) != wanted:
                raise SystemExit(f"{shape.name}: {COLUMNS[name]} answers {found}\n\nwhere Copydesk has {wanted}")


def measure(port: int, url: str, asked: list[Wish], seconds: float) -> Measured:
    """One round."""
    before = cpu_seconds(port, url)
    found = load(port, asked, seconds=seconds)
    server, postgres = (now - then for now, then in zip(cpu_seconds(port, url), before, strict=True))
    each = 1000 / (found.per_second * seconds or 1)
    return replace(found, server=server * each, postgres=postgres * each)


def in_turn(asked: Mapping[K, tuple[int, str, list[Wish]]], rounds: int, seconds: float) -> dict[K, list[Measured]]:
    """The rounds of each, as (port, url of its database, what it is asked): all warmed up, then round by round."""
    for port, _, wanted in asked.values():
        ask_once(port, wanted)
        load(port, wanted, seconds=WARM_UP_SECONDS)
    found: dict[K, list[Measured]] = {name: [] for name in asked}
    urls = {url for _, url, _ in asked.values()}
    for turn in range(rounds):
        take_seats(urls, turn)
        for name, each in asked.items():
            found[name].append(measure(*each, seconds))
    take_seats(urls, 0)  # where the servers that come next are started
    return found
