"""What is asked: three pages of a site, in the words of each system, and how its answers are read as ours."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson

from tests.benchmarks.load import Wish

FRONT = """{ articles(first: 20) { nodes { headline slug dek publishedAt leadMedia { altText } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } } }"""
ARTICLE = """query($slug: String!) { article(slug: $slug) { headline dek publishedAt body { html } tags { name }
  byline { author { name } } relatedPosts(first: 3) { article { headline slug } } } }"""
TAG = """query($slug: String!) { tag(slug: $slug) { name articles(first: 20) { totalCount
  nodes { headline slug dek publishedAt } } } }"""

_RELATIONS = """articleTagsByArticleId(orderBy: POSITION_ASC) { nodes { tagByTagId { name } } }
  articleAuthorsByArticleId(orderBy: POSITION_ASC) { nodes { authorByAuthorId { name } } }
  articleRelatedsByArticleId(orderBy: POSITION_ASC, first: 3) { nodes { articleByRelatedId { headline slug } } }"""
NEWEST = "first: 20, orderBy: [PUBLISHED_AT_DESC, ROW_ID_DESC]"
_PEER_FRONT = (
    f'{{ allArticles({NEWEST}, condition: {{ status: "PUBLISHED" }}) '
    f"{{ nodes {{ headline slug dek publishedAt mediaByLeadMediaId {{ altText }} {_RELATIONS} }} }} }}"
)
_PEER_ARTICLE = (
    f"query($slug: String!) {{ articleBySlug(slug: $slug) {{ headline dek publishedAt html status {_RELATIONS} }} }}"
)
_PEER_TAG = (
    f"query($slug: String!) {{ tagBySlug(slug: $slug) {{ name articles({NEWEST}) "
    "{ totalCount nodes { headline slug dek publishedAt } } } }"
)


@dataclass(frozen=True)
class Shape:
    """A query, with the values of its slug; the path under which it is answered by hand; and PostGraphile's words for
    it, with how data in those is read as ours."""

    name: str
    document: str
    slugs: list[str]
    path: str
    peer: str
    as_ours: Callable[[dict[str, Any]], dict[str, Any]]

    def by_hand(self) -> list[Wish]:
        return [Wish(f"{self.path}?{slug}") for slug in self.slugs] or [Wish(self.path)]

    def posts(self) -> list[Wish]:
        return list(self._posts(self.document))

    def peer_posts(self) -> list[Wish]:
        return list(self._posts(self.peer))

    def gets(self) -> list[Wish]:
        path = f"/graphql?query={quote(self.document)}"
        return [Wish(f"{path}&variables={quote(orjson.dumps({'slug': s}))}") for s in self.slugs] or [Wish(path)]

    def _posts(self, document: str) -> Iterable[Wish]:
        for given in [{"slug": slug} for slug in self.slugs] or [{}]:
            yield Wish("/graphql", orjson.dumps({"query": document, "variables": given}).decode())


def shapes(stories: int) -> list[Shape]:
    """Asked for in turn: 2,000 of the stories, and tags of which each has about one story in 180."""
    chance = random.Random(1)
    stories_asked = [f"story-{chance.randint(1, stories)}" for _ in range(2_000)]
    tags_asked = [f"tag-{chance.randint(21, 200)}" for _ in range(2_000)]
    return [
        Shape("front page", FRONT, [], "/front", _PEER_FRONT, _front),
        Shape("article", ARTICLE, stories_asked, "/article", _PEER_ARTICLE, _article),
        Shape("tag archive", TAG, tags_asked, "/tag", _PEER_TAG, _tag),
    ]


def plain(answer: Any) -> Any:
    """An answer whose instants are such, however they were printed."""
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    if isinstance(answer, dict):
        return {key: _instant(each) if key == "publishedAt" else plain(each) for key, each in answer.items()}
    return answer


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _front(data: dict[str, Any]) -> dict[str, Any]:
    nodes = [
        {
            **_own(node, "headline", "slug", "dek", "publishedAt"),
            "leadMedia": node["mediaByLeadMediaId"],
            **_related(node),
        }
        for node in data["allArticles"]["nodes"]
    ]
    return {"articles": {"nodes": nodes}}


def _article(data: dict[str, Any]) -> dict[str, Any]:
    node = data["articleBySlug"]
    body = {"html": node["html"]}
    return {"article": {**_own(node, "headline", "dek", "publishedAt"), "body": body, **_related(node)}}


def _tag(data: dict[str, Any]) -> dict[str, Any]:
    return {"tag": data["tagBySlug"]}


def _own(node: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: node[name] for name in names}


def _related(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": [each["tagByTagId"] for each in node["articleTagsByArticleId"]["nodes"]],
        "byline": [{"author": each["authorByAuthorId"]} for each in node["articleAuthorsByArticleId"]["nodes"]],
        "relatedPosts": [
            {"article": each["articleByRelatedId"]} for each in node["articleRelatedsByArticleId"]["nodes"]
        ],
    }
