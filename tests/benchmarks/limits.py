"""The two limits that reading is measured against, as ASGI applications of a few lines.

constant  what uvicorn sends from bytes that are there already, the answer in the JSON file BENCH_ANSWER: /bare as it is,
          /headed with the head that our answers bear
by_hand   one hand-written statement over the join tables of relational.py that PostgreSQL prints as JSON, sent as it is
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Heads = list[tuple[bytes, bytes]]

_RELATIONS = """
    'tags', (select json_agg(json_build_object('name', t.name) order by x.position)
        from bench.article_tag x join bench.tag t on t.id = x.tag_id where x.article_id = a.id),
    'byline', (select json_agg(json_build_object('author', json_build_object('name', u.name)) order by x.position)
        from bench.article_author x join bench.author u on u.id = x.author_id where x.article_id = a.id),
    'relatedPosts', (select json_agg(json_build_object('article', json_build_object('headline', r.headline, 'slug', r.slug)))
        from (select r.headline, r.slug from bench.article_related x join bench.article r on r.id = x.related_id
            where x.article_id = a.id and r.status = 'PUBLISHED' order by x.position limit 3) r)
"""
FRONT = f"""
select json_build_object('data', json_build_object('articles', json_build_object('nodes', json_agg(json_build_object(
    'headline', a.headline, 'slug', a.slug, 'dek', a.dek, 'publishedAt', a.published_at,
    'leadMedia', (select json_build_object('altText', m.alt_text) from bench.media m where m.id = a.lead_media_id),
    {_RELATIONS})))))::text
from (select * from bench.article where status = 'PUBLISHED' order by published_at desc, id desc limit 20) a
"""
ARTICLE = f"""
select json_build_object('data', json_build_object('article', json_build_object(
    'headline', a.headline, 'dek', a.dek, 'publishedAt', a.published_at, 'body', json_build_object('html', a.html),
    {_RELATIONS})))::text
from bench.article a where a.slug = $1 and a.status = 'PUBLISHED'
"""
TAG = """
select json_build_object('data', json_build_object('tag', json_build_object('name', t.name, 'articles', json_build_object(
    'totalCount', (select count(*) from bench.article_tag x join bench.article a on a.id = x.article_id
        where x.tag_id = t.id and a.status = 'PUBLISHED'),
    'nodes', (select json_agg(json_build_object('headline', a.headline, 'slug', a.slug, 'dek', a.dek,
            'publishedAt', a.published_at))
        from (select a.headline, a.slug, a.dek, a.published_at
            from bench.article_tag x join bench.article a on a.id = x.article_id
            where x.tag_id = t.id and a.status = 'PUBLISHED' order by a.published_at desc, a.id desc limit 20) a)))))::text
from bench.tag t where t.slug = $1
"""
_BY_HAND = {"/front": (FRONT, False), "/article": (ARTICLE, True), "/tag": (TAG, True)}
_JSON = (b"content-type", b"application/json")
_pool: asyncpg.Pool | None = None
_answers: dict[str, tuple[Heads, bytes]] = {}


class _Unreset(asyncpg.Connection):  # type: ignore[misc]
    """The four statements with which asyncpg resets a connection that is given back cost an article 45 %."""

    def get_reset_query(self) -> str:
        return ""


async def constant(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        head, body = orjson.loads(Path(os.environ["BENCH_ANSWER"]).read_bytes())
        size = (b"content-length", str(len(body.encode())).encode())
        _answers["/bare"] = [_JSON, size], body.encode()
        _answers["/headed"] = [(name.encode(), value.encode()) for name, value in head], body.encode()
        return await _lifespan(receive, send)
    await receive()
    await _respond(send, *_answers[scope["path"]])


async def by_hand(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    global _pool
    if scope["type"] == "lifespan":
        _pool = await asyncpg.create_pool(
            min_size=16, max_size=16, connection_class=_Unreset, max_queries=2**31, max_cached_statement_lifetime=0
        )
        return await _lifespan(receive, send)
    await receive()
    sql, takes_slug = _BY_HAND[scope["path"]]
    assert _pool is not None
    body = (await _pool.fetchval(sql, *([scope["query_string"].decode()] if takes_slug else []))).encode()
    await _respond(send, [_JSON, (b"content-length", str(len(body)).encode())], body)


async def _respond(send: Send, headers: Heads, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
