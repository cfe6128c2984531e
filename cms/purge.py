"""Which kept answers an event makes wrong: the keys that answers bear, and those that an event purges.

An answer for readers bears these keys, and names nothing else than what it shows or was asked by name for:

    article:ID, tag:ID, author:ID, media:ID, list:ID    it shows something of this thing, or was asked for this id
    sections            it shows something of the tree: a section, or the path of a story
    site                it shows something of the site: its name, its url, or the path of a story
    articles            it lists or counts stories that are not those of one term alone
    section:ID:articles, tag:ID:articles, author:ID:articles    it lists or counts the stories of this term
    tags, authors, redirects    it lists tags, authors, old paths
    slug:SLUG           it was asked for a slug, or for a path that ends in it, and found something or nothing
    public              whatever readers see may change it: search, changes

An answer with a key that an event purges was, perhaps, made of what is no more.
"""

from __future__ import annotations

from urllib.parse import quote

from cms.models import Event

_KINDS = {"Article": "article", "Tag": "tag", "Author": "author", "Media": "media", "StoryList": "list"}
_SUBJECTS = {"tag": "tag", "author": "author", "media": "media", "list": "list"}


def keys(event: Event) -> set[str]:
    """What a public event purges. Other events purge nothing."""
    if event.place is None:
        return set()
    effect, found = event.effect or {}, {"public"}
    noun = event.type.partition(".")[0]
    if event.article_id is not None:
        found |= {f"article:{event.article_id}", "articles"}
        for one, several in (("section", "sections"), ("tag", "tags"), ("author", "authors")):
            found |= {f"{one}:{id}:articles" for id in effect.get(several, ())}
        found |= {f"list:{id}" for id in effect.get("lists", ())}
    if event.subject_id is not None and noun in _SUBJECTS:
        found.add(f"{_SUBJECTS[noun]}:{event.subject_id}")
    if noun in ("tag", "author"):
        found |= {f"{noun}s", "articles"}  # lists may be filtered by a slug or an alias
    if noun == "section":
        found |= {"sections", "articles", "redirects"} | {f"section:{id}:articles" for id in effect.get("sections", ())}
    if noun == "media":
        found |= {f"author:{id}" for id in effect.get("authors", ())}
    if noun == "site" or effect.get("site"):
        found.add("site")
    found |= {f"article:{id}" for id in effect.get("pointing", ())}
    found |= {f"slug:{slug}" for slug in effect.get("slugs", ())}
    return found | _of_things([*effect.get("appeared", ()), *effect.get("vanished", ())], bool(effect.get("moved")))


def sent(key: str) -> str:
    """A key as it stands in headers and in what is sent to caches: a slug may have any character."""
    kind, _, rest = key.partition(":")
    return f"{kind}:{quote(rest, safe='')}" if kind == "slug" else key


def _of_things(things: list[str], moved: bool) -> set[str]:
    found = {"redirects"} if moved else set()
    for thing in things:
        kind, _, id = thing.partition(":")
        if kind in _KINDS:
            found.add(f"{_KINDS[kind]}:{id}")
        if kind in ("Tag", "Author"):
            found.add(f"{kind.lower()}s")
        if kind in ("RedirectRule", "Article"):
            found.add("redirects")
    return found
