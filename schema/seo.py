"""The API of what search engines and other sites are told of a story."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from cms import body, models, taxonomy
from cms import media as library
from schema import media
from schema.context import Info
from schema.media import MediaUse
from schema.scalars import print_instant

DESCRIPTION_LENGTH = 160


@strawberry.type(description="What search engines and other sites are told.")
class Seo:
    title: str = strawberry.field(description="The title; by default the headline.")
    description: str | None = strawberry.field(description="By default the dek, or the text's beginning.")
    canonical_url: str = strawberry.field(description="Where the original stands; by default the story's url.")
    noindex: bool = strawberry.field(description="Keep it out of search engines.")
    image: MediaUse | None = strawberry.field(description="By default the lead picture.")
    json_ld: JSON | None = strawberry.field(description="The story as a schema.org NewsArticle.")


async def seo(info: Info, row: models.Content) -> Seo:
    """What was said by hand, and else what the story says."""
    said, context = row.seo, info.context
    url = (await context.site()).url + await context.path(row)
    if image_id := said.get("image_id"):
        image = await media.use(info, UUID(image_id), said.get("image"))
    else:
        image = await media.use(info, row.lead_media_id, row.lead_use)
    description = said.get("description") or row.dek or body.excerpt(row.text, DESCRIPTION_LENGTH) or None
    return Seo(
        title=said.get("title") or row.headline,
        description=description,
        canonical_url=said.get("canonical_url") or url,
        noindex=bool(said.get("noindex")),
        image=image,  # type: ignore[arg-type]
        json_ld=await _json_ld(info, row, url, description, image),  # type: ignore[arg-type]
    )


async def _json_ld(
    info: Info, row: models.Content, url: str, description: str | None, image: media.Use | None
) -> dict[str, Any]:
    """https://schema.org/NewsArticle; what is unknown is left out."""
    context = info.context
    site = await context.site()
    authors = await context.loaders.known_many(models.Author, list(row.author_ids))
    tags = await context.loaders.known_many(models.Tag, list(row.tag_ids))
    notices = await context.loaders.children(models.Correction, "article_id", row.article_id, "-published_at", "-id")
    section = (await context.tree()).by_id.get(row.section_id) if row.section_id else None
    published = row.published_at if isinstance(row, models.Live) else None
    picture = library.url(image.media) if image else None
    told = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": row.headline,
        "description": description,
        "url": url,
        "mainEntityOfPage": url,
        "inLanguage": row.locale,
        "datePublished": print_instant(published) if published else None,
        "dateModified": print_instant(row.updated_at),
        "author": [
            {
                "@type": "Person" if author.kind is models.AuthorKind.PERSON else "Organization",
                "name": author.name,
                "url": f"{site.url}/author/{author.slug}",
            }
            for author in authors
        ],
        "publisher": {"@type": "NewsMediaOrganization", "name": site.name, "url": site.url},
        "image": [picture] if picture else None,
        "articleSection": section.name if section else None,
        "keywords": [tag.name for tag in tags],
        "about": [_thing(tag) for tag in tags if tag.kind is not models.TagKind.TOPIC or tag.external_id],
        "correction": [
            {"@type": "CorrectionComment", "text": each.text, "datePublished": print_instant(each.published_at)}
            for each in notices
        ],
        "wordCount": row.word_count,
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


_TYPES = {
    models.TagKind.TOPIC: "Thing",
    models.TagKind.PERSON: "Person",
    models.TagKind.ORGANIZATION: "Organization",
    models.TagKind.PLACE: "Place",
    models.TagKind.EVENT: "Event",
}


def _thing(tag: models.Tag) -> dict[str, str]:
    """What a story is about, with what it is elsewhere."""
    same = taxonomy.same_as(tag)
    return {"@type": _TYPES[tag.kind], "name": tag.name} | ({"sameAs": same} if same else {})
