"""The two limits that reading is measured against, as ASGI applications of a few lines.

constant  what uvicorn sends from bytes that are there already
by_hand   one hand-written statement that PostgreSQL prints as JSON, sent as it is
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

FRONT = """
select json_build_object('data', json_build_object('articles', json_build_object('nodes', json_agg(json_build_object(
    'headline', a.headline, 'slug', a.slug, 'dek', a.dek, 'publishedAt', a.published_at,
    'leadMedia', (select json_build_object('altText', m.alt_text) from media m where m.id = a.lead_media_id),
    'tags', (select json_agg(json_build_object('name', t.name)) from tag t where t.id = any(a.tag_ids)),
    'byline', (select json_agg(json_build_object('author', json_build_object('name', u.name)))
        from author u where u.id = any(a.author_ids)),
    'relatedPosts', (select json_agg(json_build_object('article', json_build_object('headline', r.headline, 'slug', r.slug)))
        from live r where r.article_id = any(a.related_ids)))))))::text
from (select * from live order by published_at desc, article_id desc limit 20) a
"""
ARTICLE = """
select json_build_object('data', json_build_object('article', json_build_object(
    'headline', a.headline, 'dek', a.dek, 'publishedAt', a.published_at, 'body', json_build_object('html', a.html),
    'tags', (select json_agg(json_build_object('name', t.name)) from tag t where t.id = any(a.tag_ids)),
    'byline', (select json_agg(json_build_object('author', json_build_object('name', u.name)))
        from author u where u.id = any(a.author_ids)),
    'relatedPosts', (select json_agg(json_build_object('article', json_build_object('headline', r.headline, 'slug', r.slug)))
        from live r where r.article_id = any(a.related_ids)))))::text
from live a where a.locale = 'en' and a.slug = $1
"""
TAG = """
select json_build_object('data', json_build_object('tag', json_build_object('name', t.name, 'articles', json_build_object(
    'totalCount', (select count(*) from live_term x where x.term_id = t.id),
    'nodes', (select json_agg(json_build_object('headline', l.headline, 'slug', l.slug, 'dek', l.dek,
            'publishedAt', l.published_at))
        from (select article_id from live_term x where x.term_id = t.id
            order by published_at desc, article_id desc limit 20) x join live l using (article_id))))))::text
from tag t where t.slug = $1
"""
_BY_HAND = {"/front": (FRONT, False), "/article": (ARTICLE, True), "/tag": (TAG, True)}
_pool: asyncpg.Pool | None = None


async def constant(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A path /N answers N bytes."""
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    await receive()
    await _respond(send, b"x" * int(scope["path"][1:]))


async def by_hand(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    global _pool
    if scope["type"] == "lifespan":
        _pool = await asyncpg.create_pool(os.environ["CMS_DATABASE_URL"], min_size=8, max_size=8)
        return await _lifespan(receive, send)
    await receive()
    sql, takes_slug = _BY_HAND[scope["path"]]
    assert _pool is not None
    answer = await _pool.fetchval(sql, *([scope["query_string"].decode()] if takes_slug else []))
    await _respond(send, answer.encode())


async def _respond(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
