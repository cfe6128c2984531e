"""What a page costs: the number of SQL statements does not grow with what it shows."""

from __future__ import annotations

import pytest

from cms import articles, database, effects, ids, newsroom
from cms.models import ArticleStatus
from cms.permissions import SYSTEM
from tests.conftest import Api
from tests.factories import make_actor, make_article, make_author, make_media, make_section, publish
from tests.test_listings import statements

pytestmark = pytest.mark.usefixtures("db")

# Two lists in one operation share what their rows lead to as far as they come at the same moment: one list each here.
LIST = "articles(first: $first) { nodes { ...Card } pageInfo { hasNextPage endCursor } }"
KEPT = 'storyList(slug: "front") { name articles(first: $first) { ...Card } }'
FRONT_PAGE = """query($first: Int!) {
  site { name logo { altText } socialLinks { url } }
  sections { name path children { name path } }
  %s
}
fragment Card on Article {
  id headline dek path publishedAt
  leadMedia { altText caption media { id width height } }
  section { name path parent { name } }
  tags { name path } byline { role author { name path portrait { altText } } } bylineText
  relatedPosts(first: 3) { source article { headline path leadMedia { altText } } }
  corrections { text }
}"""


async def make_newsroom(count: int) -> None:
    authors = [await make_author(f"Author {n}") for n in range(5)]
    sections = [await make_section(f"Section {n}") for n in range(3)]
    made = []
    for n in range(count):
        picture = await make_media()
        story = await make_article(
            headline=f"Story {n}",
            lead_media={"media_id": picture.id},
            section_id=sections[n % 3],
            byline=[{"author_id": authors[n % 5]}, {"author_id": authors[(n + 1) % 5]}],
            tag_names=[f"tag {n % 7}", "all"],
            related_post_ids=made[:3],  # older than the sixty
        )
        await publish(story.article_id)
        made.append(story.article_id)
    await newsroom.set_story_list(SYSTEM, slug="front", name="Front", article_ids=made[::-1])


async def test_a_front_page_of_sixty_takes_as_many_statements_as_one_of_five(api: Api) -> None:
    await make_newsroom(63)
    for stories in (LIST, KEPT):
        taken = {}
        for first in (5, 60):
            with statements() as seen:
                data = await api(FRONT_PAGE % stories, first=first)
            shown = data["articles"]["nodes"] if stories is LIST else data["storyList"]["articles"]
            assert (len(shown), len(shown[0]["relatedPosts"])) == (first, 3)
            taken[first] = len(seen)
        assert taken[5] == taken[60], taken
        assert taken[60] <= 12, f"a front page takes {taken[60]} statements"


async def test_a_page_of_terms_costs_the_same_for_one_and_for_many_counts(api: Api) -> None:
    await make_article(status=ArticleStatus.PUBLISHED, tag_names=["a"])
    with statements() as few:
        await api("{ tags { nodes { articleCount } } }")
    for n in range(10):
        await make_article(status=ArticleStatus.PUBLISHED, tag_names=[f"t{n}"])
    with statements() as many:
        await api("{ tags { nodes { articleCount } } }")
    assert len(many) == len(few), (len(few), len(many))


async def test_ten_nodes_and_ten_revisions_take_as_many_statements_as_one(api: Api) -> None:
    editor = await make_actor()
    story = await make_article(status=ArticleStatus.PUBLISHED)
    for n in range(10):
        await articles.update(SYSTEM, story.article_id, {"dek": f"{n}"})
    ids_ = [ids.encode("Article", (await make_article(status=ArticleStatus.PUBLISHED)).article_id) for _ in range(10)]
    id = ids.encode("Article", story.article_id)
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    revisions = """query($id: ID!, $n: Int) { article(id: $id, perspective: DRAFT) {
      editorial { revisions(first: $n) { nodes { number createdBy { name } } } } } }"""
    taken = []
    for n in (1, 10):
        with statements() as seen:
            await api(query, ids=ids_[:n])
            await api(revisions, id=id, n=n, actor=editor)
        taken.append(len(seen))
    assert taken[1] <= taken[0], taken


PUBLISH = "mutation($id: ID!) { publishArticle(input: {id: $id}) { ... on Article { id publishedAt path } } }"


async def test_a_publication_takes_few_statements_whatever_the_story_shows(api: Api) -> None:
    editor, section, picture = await make_actor(), await make_section("A"), await make_media()
    authors = [await make_author(f"A{n}") for n in range(4)]
    others = [(await make_article(status=ArticleStatus.PUBLISHED)).article_id for _ in range(4)]
    new, plain = [await make_article(section_id=section, tag_names=["a"]) for _ in range(2)]
    rich = await make_article(
        section_id=section,
        byline=[{"author_id": author} for author in authors],
        tag_names=[f"t{n}" for n in range(9)],
        lead_media={"media_id": picture.id},
        related_post_ids=others,
    )
    taken = []
    for story in (new, plain, rich):  # the words of the first are noted, and their stems
        with statements() as seen:
            data = await api(PUBLISH, id=ids.encode("Article", story.article_id), actor=editor)
        assert data["publishArticle"]["publishedAt"] is not None
        taken.append(len(seen))
    assert taken[1:] == [8, 8], taken


async def test_what_points_at_a_story_is_found_in_indexes() -> None:
    """Every publishing asks: one condition that no index serves reads all live stories."""
    async with database.transaction() as connection:
        await connection.execute_query("set local enable_seqscan = off")
        sql = effects._POINTING.replace("$1", f"array['{ids.new()}'::uuid]")
        plan = "\n".join(row[0] for row in (await connection.execute_query(f"explain {sql}"))[1])
    assert "Index" in plan
    assert "Seq Scan" not in plan
