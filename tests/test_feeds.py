"""Feeds, sitemaps, robots.txt and ninjs: what they hold, that they are well formed, that they hide what is hidden."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import feedparser
import httpx
import orjson
import pytest
from lxml import etree

from cms import articles, clock, feeds, ids, schedules, taxonomy, workflow
from cms.app import create_app
from cms.feeds import sitemaps
from cms.models import ArticleStatus, CorrectionKind, Head, Live, TagKind
from cms.permissions import SYSTEM
from cms.workflow import Transition, Wish
from tests.conftest import Api
from tests.factories import dump, execute, make_article, make_author, make_media, make_section, publish
from tests.test_listings import statements

pytestmark = pytest.mark.usefixtures("db")
PUBLISHED = ArticleStatus.PUBLISHED
FORMATS = ("rss.xml", "atom.xml", "feed.json")
SITE = "http://localhost:8000"
NEVER = "\x01\x08\x0b\x1f\x7f\ufffe"
Get = Callable[..., Any]


@pytest.fixture
async def get(configured: Callable[..., None]) -> AsyncIterator[Get]:
    configured(CMS_PUBLIC_URL="https://cms.example.org")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app()), base_url="http://evil.test"
    ) as client:

        async def get(path: str, method: str = "GET", **headers: str) -> httpx.Response:
            return await client.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})

        yield get


def xml(response: httpx.Response) -> etree._Element:
    return etree.fromstring(response.content)


def texts(element: etree._Element, name: str) -> list[str | None]:
    return [each.text for each in element.iter(f"{{*}}{name}")]


async def story(**given: Any) -> Head:
    section = await make_section("World")
    ann = await make_author("Ann & Bob <b>")
    picture = await make_media(caption="A <caption>", credit="Photo & Co")
    return await make_article(
        status=PUBLISHED,
        **{
            "headline": "Rain & <b>snow</b> “today”",
            "dek": "What the sky does.",
            "section_id": section,
            "byline": [{"author_id": ann}],
            "tag_names": ["Weather", "<Storms>"],
            "lead_media": {"media_id": picture.id},
            "body": {"html": "<p>It rains &amp; snows.</p>"},
            **given,
        },
    )


async def everywhere(get: Get, id: str) -> list[str]:
    """Every document that could show a story, as text."""
    addresses = [
        *(f"/feeds{path}/{format}" for path in ("", "/world", "/tag/weather", "/author/ann") for format in FORMATS),
        *("/sitemap/stories-1.xml", "/sitemap/news.xml", f"/ninjs/{id}.json"),
    ]
    return [f"{(response := await get(address)).status_code} {response.text}" for address in addresses]


async def test_the_site_s_feed_in_three_formats_says_the_same(get: Get) -> None:
    head = await story()
    live = await Live.get(article_id=head.article_id)
    url, urn = f"{SITE}/world/{head.slug}", f"urn:uuid:{head.article_id}"
    for format, kind in (("rss.xml", "rss20"), ("atom.xml", "atom10")):
        response = await get(f"/feeds/{format}")
        assert response.status_code == 200
        parsed = feedparser.parse(response.content)
        assert (parsed.bozo, parsed.version) == (False, kind)
        assert (parsed.feed.title, parsed.feed.language) == ("Newsroom", "en")
        assert f"https://cms.example.org/feeds/{format}" in [link.href for link in parsed.feed.links]
        (entry,) = parsed.entries
        assert (entry.id, entry.link, entry.summary) == (urn, url, "What the sky does.")
        assert [each.term for each in entry.tags] == ["World", "Weather", "<Storms>"]
        assert "It rains &amp; snows." in entry.content[0].value
        assert entry.media_content[0]["medium"] == "image"
        assert texts(xml(response), "title")[-1] == "Rain & <b>snow</b> “today”"
        assert texts(xml(response), "creator" if format == "rss.xml" else "name")[-1] == "Ann & Bob <b>"
    answer = orjson.loads((await get("/feeds/feed.json")).content)
    (item,) = answer["items"]
    assert answer["version"] == "https://jsonfeed.org/version/1.1"
    assert (answer["title"], answer["home_page_url"]) == ("Newsroom", f"{SITE}/")
    assert answer["feed_url"] == "https://cms.example.org/feeds/feed.json"
    assert {name: item[name] for name in ("id", "url", "title", "summary", "tags", "language", "authors")} == {
        "id": urn,
        "url": url,
        "title": "Rain & <b>snow</b> “today”",
        "summary": "What the sky does.",
        "tags": ["Weather", "<Storms>"],
        "language": "en",
        "authors": [{"name": "Ann & Bob <b>", "url": f"{SITE}/author/ann-and-bob-b"}],
    }
    assert item["content_html"] == "<p>It rains &amp; snows.</p>"
    assert item["date_published"] == live.published_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert item["image"].startswith("https://cms.example.org/media/")


async def test_sections_tags_and_authors_have_feeds_of_their_own_that_follow_renames(get: Get) -> None:
    world = await make_section("World")
    europe = await make_section("Europe", world)
    ann = await make_author("Ann")
    await make_article(status=PUBLISHED, headline="A", section_id=europe, tag_names=["Rain"])
    await make_article(status=PUBLISHED, headline="B", section_id=world, byline=[{"author_id": ann}])
    await make_article(headline="C", section_id=world, tag_names=["Rain"], byline=[{"author_id": ann}])

    async def titles(path: str) -> list[str]:
        return [item["title"] for item in orjson.loads((await get(f"/feeds{path}/feed.json")).content)["items"]]

    assert await titles("") == ["B", "A"]
    assert await titles("/world") == ["B", "A"]
    assert await titles("/world/europe") == ["A"]
    assert await titles("/tag/rain") == ["A"]
    assert await titles("/author/ann") == ["B"]
    for path in ("/nowhere", "/tag/nothing", "/world/nowhere", "/tag", "/a", "/world/europe/x"):
        assert (await get(f"/feeds{path}/rss.xml")).status_code == 404, path
    for path in ("/feeds/rss", "/feeds/", "/feeds/world", "/feeds/world/x.xml"):
        assert (await get(path)).status_code == 404, path
    await taxonomy.update_section(SYSTEM, europe, {"slug": "eu"})
    moved = await get("/feeds/world/europe/rss.xml")
    assert (moved.status_code, moved.headers["location"]) == (301, "https://cms.example.org/feeds/world/eu/rss.xml")


async def test_the_api_says_where_feeds_are_and_what_search_engines_are_told(api: Api, get: Get) -> None:
    await taxonomy.create_tag(SYSTEM, name="Paris", kind=TagKind.PLACE, external_id="Q90")
    head = await story(tag_names=["Paris", "Weather"])
    await workflow.add_correction(SYSTEM, head.article_id, kind=CorrectionKind.UPDATE, text="More is known.")
    found = await api("""{ site { feeds { rss atom json __typename } } section(slug: "world") { feeds { rss } }
      tag(slug: "paris") { feeds { atom } } authors { nodes { feeds { json } } }
      articles { nodes { seo { jsonLd } } } }""")
    base = "https://cms.example.org/feeds"
    assert found["site"]["feeds"] == {
        "rss": f"{base}/rss.xml",
        "atom": f"{base}/atom.xml",
        "json": f"{base}/feed.json",
        "__typename": "FeedLinks",
    }
    assert found["section"]["feeds"] == {"rss": f"{base}/world/rss.xml"}
    assert found["tag"]["feeds"] == {"atom": f"{base}/tag/paris/atom.xml"}
    assert found["authors"]["nodes"][0]["feeds"] == {"json": f"{base}/author/ann-and-bob-b/feed.json"}
    told = found["articles"]["nodes"][0]["seo"]["jsonLd"]
    assert (told["@type"], told["headline"], told["keywords"]) == (
        "NewsArticle",
        "Rain & <b>snow</b> “today”",
        ["Paris", "Weather"],
    )
    assert told["about"] == [{"@type": "Place", "name": "Paris", "sameAs": "http://www.wikidata.org/entity/Q90"}]
    (notice,) = told["correction"]
    assert (notice["@type"], notice["text"]) == ("CorrectionComment", "More is known.")


async def test_a_feed_of_one_locale_holds_stories_in_it(get: Get) -> None:
    await execute("update site set locales = '{en,fr}'")
    section = await make_section("World")
    await taxonomy.update_section(SYSTEM, section, {"names": [{"locale": "fr", "name": "Monde"}]})
    await make_article(status=PUBLISHED, headline="Rain", section_id=section)
    await make_article(status=PUBLISHED, headline="Pluie", section_id=section, locale="fr")
    for path, titles in (("/fr", ["Pluie"]), ("/en", ["Rain"]), ("", ["Pluie", "Rain"]), ("/fr/world", ["Pluie"])):
        answer = orjson.loads((await get(f"/feeds{path}/feed.json")).content)
        assert [item["title"] for item in answer["items"]] == titles
    assert (answer["title"], answer["language"], answer["home_page_url"]) == (
        "Monde – Newsroom",
        "fr",
        f"{SITE}/fr/world",
    )


async def test_characters_that_XML_cannot_hold_leave_feeds_that_parse(get: Get) -> None:
    head = await story(tag_names=["t"])
    for table, column in (("live", "headline"), ("live", "dek"), ("live", "html"), ("tag", "name"), ("author", "name")):
        await execute(f"update {table} set {column} = $1 || {column} || ']]>'", NEVER)
    await execute("update site set name = $1 || name, tagline = $1", NEVER)
    for address in (*(f"/feeds/{format}" for format in FORMATS[:2]), "/sitemap/news.xml", "/sitemap/stories-1.xml"):
        response = await get(address)
        assert response.status_code == 200
        assert "x" not in texts(xml(response), "nothing")
    for format in FORMATS[:2]:
        assert not feedparser.parse((await get(f"/feeds/{format}")).content).bozo
    assert orjson.loads((await get("/feeds/feed.json")).content)["items"][0]["id"] == f"urn:uuid:{head.article_id}"


async def test_addresses_in_every_script_are_uris(get: Get) -> None:
    section = await make_section("世界")
    await make_article(status=PUBLISHED, headline="Дождь", section_id=section, tag_names=["中国"])
    url = f"{SITE}/%E4%B8%96%E7%95%8C/%D0%B4%D0%BE%D0%B6%D0%B4%D1%8C"
    assert texts(xml(await get("/feeds/tag/中国/rss.xml")), "link")[-1] == url
    for address in ("/sitemap/stories-1.xml", "/sitemap/news.xml"):
        assert texts(xml(await get(address)), "loc") == [url]
    assert f"{SITE}/tag/%E4%B8%AD%E5%9B%BD" in texts(xml(await get("/sitemap/terms.xml")), "loc")
    feed = orjson.loads((await get("/feeds/世界/feed.json")).content)
    assert feed["feed_url"] == "https://cms.example.org/feeds/%E4%B8%96%E7%95%8C/feed.json"
    await taxonomy.update_section(SYSTEM, section, {"slug": "мир"})
    moved = await get("/feeds/世界/feed.json")
    assert moved.headers["location"] == "https://cms.example.org/feeds/%D0%BC%D0%B8%D1%80/feed.json"


async def test_nothing_of_a_request_comes_back(get: Get) -> None:
    await story()
    addresses = ("/feeds/rss.xml", "/feeds/atom.xml", "/feeds/feed.json", "/sitemap.xml", "/robots.txt")
    for address in addresses:
        response = await get(address, Host="evil.test", X_Forwarded_Host="evil.test")
        assert response.status_code == 200
        assert "evil.test" not in response.text


async def test_L8_a_scheduled_story_is_nowhere_a_second_before_and_everywhere_a_second_after(get: Get) -> None:
    section, ann = await make_section("World"), await make_author("Ann")
    other = await make_article(
        status=PUBLISHED, section_id=section, tag_names=["Weather"], byline=[{"author_id": ann}], headline="Other"
    )
    head = await make_article(
        headline="Embargoed", section_id=section, tag_names=["Weather"], byline=[{"author_id": ann}]
    )
    wish = Wish(publish_at=clock.now() + timedelta(days=1))
    await workflow.transition(SYSTEM, head.article_id, Transition.SCHEDULE, wish=wish)
    id = ids.encode("Article", head.article_id)

    async def due_in(seconds: int) -> list[str]:
        sql = f"update article set publish_at = now() + interval '{seconds} seconds' where id = $1"
        await execute(sql, head.article_id)
        await schedules.publish_due()
        return await everywhere(get, id)

    before = await due_in(1)
    assert [text[:3] for text in before] == ["200"] * 14 + ["404"]
    for text in before:
        assert "mbargoed" not in text
        assert str(head.article_id) not in text
    after = await due_in(-1)
    assert [text[:3] for text in after] == ["200"] * 15
    for text in after:
        assert "mbargoed" in text
    for text in after[:12:3]:
        built = etree.fromstring(text[4:].encode()).findtext(".//lastBuildDate")
        assert built is not None
        assert parsedate_to_datetime(built) <= clock.now()
    assert other


async def test_a_draft_of_a_live_story_shows_in_none_of_them(get: Get) -> None:
    ann = await make_author("Ann")
    head = await story(headline="First", byline=[{"author_id": ann}])
    before = await everywhere(get, ids.encode("Article", head.article_id))
    secret = {
        "headline": "Secret",
        "slug": "secret",
        "dek": "Secret",
        "tag_names": ["Secret"],
        "seo": {"noindex": True},
    }
    await articles.update(SYSTEM, head.article_id, secret)
    assert await everywhere(get, ids.encode("Article", head.article_id)) == before


async def test_what_is_taken_from_readers_is_gone_and_the_site_s_feed_says_so(get: Get) -> None:
    head = await story()
    other = await make_article(status=ArticleStatus.UNPUBLISHED)
    await workflow.transition(SYSTEM, head.article_id, Transition.WITHDRAW, wish=Wish(notice="It was <wrong>."))
    parsed = xml(await get("/feeds/atom.xml"))
    gone = parsed.findall("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
    assert [(each.get("ref"), each.findtext("{*}comment")) for each in gone] == [
        (f"urn:uuid:{head.article_id}", "It was <wrong>."),
        (f"urn:uuid:{other.article_id}", None),
    ]
    answer = orjson.loads((await get("/feeds/feed.json")).content)
    assert answer["items"] == []
    assert [(each["id"], each.get("notice")) for each in answer["_copydesk"]["gone"]] == [
        (f"urn:uuid:{head.article_id}", "It was <wrong>."),
        (f"urn:uuid:{other.article_id}", None),
    ]
    for format in FORMATS:
        assert str(head.article_id) not in (await get(f"/feeds/world/{format}")).text
    item = orjson.loads((await get(f"/ninjs/{ids.encode('Article', head.article_id)}.json")).content)
    assert (item["pubStatus"], item["edNote"], item["uri"]) == (
        "canceled",
        "It was <wrong>.",
        f"urn:uuid:{head.article_id}",
    )
    assert "headlines" not in item
    await execute("update article set gone_at = gone_at - interval '31 days'")
    assert xml(await get("/feeds/atom.xml")).find("{*}deleted-entry") is None


async def test_public_notices_stand_behind_the_text_and_move_the_date_of_the_story(get: Get) -> None:
    head = await story(body={"html": "<p>Text.</p>"})
    await execute("update live set updated_at = updated_at - interval '1 day'")
    await workflow.add_correction(SYSTEM, head.article_id, kind=CorrectionKind.CORRECTION, text="Not <b>10</b> but 12.")
    item = orjson.loads((await get("/feeds/feed.json")).content)["items"][0]
    day = f"{clock.now():%Y-%m-%d}"
    assert item["content_html"] == (
        f"<p>Text.</p><aside><p><strong>Correction, {day}</strong></p><p>Not &lt;b&gt;10&lt;/b&gt; but 12.</p></aside>"
    )
    assert item["_copydesk"]["corrections"][0]["text"] == "Not <b>10</b> but 12."
    assert item["date_modified"][:10] == day
    told = orjson.loads((await get(f"/ninjs/{ids.encode('Article', head.article_id)}.json")).content)
    assert told["edNote"] == "Correction: Not <b>10</b> but 12."


async def test_links_and_pictures_of_a_body_are_absolute_and_only_to_what_readers_see(get: Get) -> None:
    seen, hidden = await make_article(status=PUBLISHED), await make_article(headline="Hidden")
    await make_section("World")
    links = [
        {"type": "articleLink", "attrs": {"articleId": ids.encode("Article", each.article_id)}}
        for each in (seen, hidden)
    ]
    await make_article(status=PUBLISHED, headline="Z", body={"json": {"type": "doc", "content": links}})
    items = orjson.loads((await get("/feeds/feed.json")).content)["items"]
    html = next(item["content_html"] for item in items if item["title"] == "Z")
    assert f'href="{SITE}/{seen.slug}"' in html
    assert "Hidden" not in html
    assert hidden.slug not in html


async def test_a_feed_takes_as_many_statements_for_one_story_as_for_many(get: Get) -> None:
    ann = await make_author("Ann")
    await make_article(status=PUBLISHED, tag_names=["a"], byline=[{"author_id": ann}])
    addresses = ("/feeds/rss.xml", "/feeds/tag/a/atom.xml", "/sitemap/stories-1.xml", "/sitemap/news.xml")
    counts = []
    for _ in range(2):
        counts.append([])
        for address in addresses:
            with statements() as seen:
                await get(address)
            counts[-1].append(len(seen))
        for n in range(8):
            author = await make_author(f"Author {n}")
            await make_article(status=PUBLISHED, tag_names=["a", f"t{n}"], byline=[{"author_id": author}])
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 14


async def test_a_feed_is_asked_for_again_at_the_price_of_a_304(get: Get) -> None:
    head = await story()
    await execute("alter table event disable trigger event_append_only")
    await execute("update event set at = at - interval '1 hour'")
    await execute("alter table event enable trigger event_append_only")
    for address in ("/feeds/rss.xml", "/feeds/atom.xml", "/feeds/feed.json", "/sitemap.xml", "/robots.txt"):
        first = await get(address)
        tag, changed = first.headers["etag"], first.headers["last-modified"]
        assert first.headers["cache-control"] == "public, no-cache"
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = await get(address, If_None_Match=known, If_Modified_Since="Mon, 01 Jan 2001 00:00:00 GMT")
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await get(address, If_None_Match='"x"', If_Modified_Since=changed)).status_code == 200
        assert (await get(address, If_Modified_Since=changed)).status_code == 304
        for since in ("Mon, 01 Jan 2001 00:00:00 GMT", "yesterday", ""):
            assert (await get(address, If_Modified_Since=since)).status_code == 200
        head_only = await get(address, "HEAD")
        assert (head_only.status_code, head_only.headers["etag"]) == (200, tag)
        assert (await get(address, "POST")).status_code == 405
    known = (await get("/feeds/rss.xml")).headers
    await workflow.transition(SYSTEM, head.article_id, Transition.UNPUBLISH)
    now = await get("/feeds/rss.xml", If_None_Match=known["etag"], If_Modified_Since=known["last-modified"])
    assert (now.status_code, "last-modified" in now.headers) == (200, False)  # too fresh to be told by the second


async def test_content_types_are_those_of_the_formats(get: Get) -> None:
    head = await story()
    for address, kind in (
        ("/feeds/rss.xml", "application/rss+xml; charset=utf-8"),
        ("/feeds/atom.xml", "application/atom+xml; charset=utf-8"),
        ("/feeds/feed.json", "application/feed+json"),
        ("/sitemap.xml", "application/xml; charset=utf-8"),
        ("/robots.txt", "text/plain; charset=utf-8"),
        (f"/ninjs/{ids.encode('Article', head.article_id)}.json", "application/json"),
    ):
        response = await get(address)
        assert response.headers["content-type"] == kind
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert response.headers["x-content-type-options"] == "nosniff"


# ---------------------------------------------------------------- sitemaps


async def test_sitemaps_name_what_readers_see_page_by_page(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemaps, "PAGE", 2)
    heads = [await make_article(status=PUBLISHED, tag_names=["rain"]) for _ in range(5)]
    await make_article(tag_names=["hidden"])
    index = await get("/sitemap.xml")
    assert xml(index).tag == "{http://www.sitemaps.org/schemas/sitemap/0.9}sitemapindex"
    assert texts(xml(index), "loc") == [
        f"https://cms.example.org/sitemap/{name}.xml"
        for name in ("news", "terms", "stories-1", "stories-2", "stories-3")
    ]
    assert await feeds.pages() == 3
    for number in (0, 4, "x", "1e1", "9999999", ""):
        assert (await get(f"/sitemap/stories-{number}.xml")).status_code == 404
    assert (await get("/sitemap/nothing.xml")).status_code == 404
    assert (await get("/sitemap/news-1.xml")).status_code == 404
    assert texts(xml(await get("/sitemap/terms.xml")), "loc") == [f"{SITE}/tag/rain"]
    assert heads


async def test_what_search_engines_must_not_show_is_in_no_sitemap(get: Get) -> None:
    shown = await make_article(status=PUBLISHED)
    await make_article(status=PUBLISHED, seo={"noindex": True})
    await make_article(status=PUBLISHED, seo={"canonical_url": "https://elsewhere.example/x"})
    old = await make_article()
    await publish(old.article_id, published_at=clock.now() - timedelta(days=2, seconds=1))
    assert texts(xml(await get("/sitemap/news.xml")), "loc") == [f"{SITE}/{shown.slug}"]
    assert texts(xml(await get("/sitemap/stories-1.xml")), "loc") == [f"{SITE}/{shown.slug}", f"{SITE}/{old.slug}"]


async def test_news_of_two_days_say_when_and_in_which_language(get: Get) -> None:
    head = await make_article(status=PUBLISHED, headline="Rain & snow")
    news = xml(await get("/sitemap/news.xml"))
    live = await Live.get(article_id=head.article_id)
    assert [texts(news, name) for name in ("name", "language", "publication_date", "title")] == [
        ["Newsroom"],
        ["en"],
        [live.published_at.strftime("%Y-%m-%dT%H:%M:%SZ")],
        ["Rain & snow"],
    ]


async def test_robots_are_told_of_the_sitemaps(get: Get) -> None:
    assert (await get("/robots.txt")).text == (
        "User-agent: *\nAllow: /\n\n"
        "Sitemap: https://cms.example.org/sitemap.xml\nSitemap: https://cms.example.org/sitemap/news.xml\n"
    )


# ---------------------------------------------------------------- ninjs


async def test_ninjs_of_a_story_holds_what_is_known_of_it(get: Get) -> None:
    await taxonomy.create_tag(SYSTEM, name="Paris", kind=TagKind.PLACE, external_id="Q90")
    await taxonomy.create_tag(SYSTEM, name="Floods", external_id="medtop:20000151")
    head = await story(tag_names=["Paris", "Floods", "Weather"], kicker="Sky")
    told = orjson.loads((await get(f"/ninjs/{ids.encode('Article', head.article_id)}.json")).content)
    assert told["standard"]["version"] == "3.0"
    assert (told["uri"], told["type"], told["pubStatus"]) == (f"urn:uuid:{head.article_id}", "text", "usable")
    assert (told["language"], told["by"]) == ("en", "Ann & Bob <b>")
    assert told["headlines"] == [
        {"role": "main", "value": "Rain & <b>snow</b> “today”"},
        {"role": "kicker", "value": "Sky"},
    ]
    assert [(body["contentType"], body["value"]) for body in told["bodies"]] == [
        ("text/html", "<p>It rains &amp; snows.</p>"),
        ("text/plain", "It rains & snows."),
    ]
    assert told["places"] == [{"name": "Paris", "rel": "about", "uri": "http://www.wikidata.org/entity/Q90"}]
    assert told["subjects"] == [
        {"name": "Floods", "rel": "about", "uri": "http://cv.iptc.org/newscodes/mediatopic/20000151"},
        {"name": "Weather", "rel": "about", "uri": f"{SITE}/tag/weather"},
        {"name": "World", "rel": "section"},
    ]
    assert told["associations"][0]["by"] == "Photo & Co"
    assert told["altIds"] == [{"role": "url", "value": f"{SITE}/world/{head.slug}"}]
    for id in ("x", ids.encode("Tag", head.article_id), ids.encode("Article", ids.new())):
        assert (await get(f"/ninjs/{id}.json")).status_code == 404
    draft = await make_article()
    assert (await get(f"/ninjs/{ids.encode('Article', draft.article_id)}.json")).status_code == 404


async def test_reading_feeds_writes_nothing(get: Get) -> None:
    head = await story()
    before = await dump()
    await everywhere(get, ids.encode("Article", head.article_id))
    assert await dump() == before
