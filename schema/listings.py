"""The API of lists of stories: filters, orders, and the pages they make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from cms import listings
from cms.errors import Invalid
from cms.keyset import Paging
from cms.listings import ArticleOrderField
from cms.models import ArticleStatus
from schema.connection import Rows
from schema.context import Info
from schema.inputs import given
from schema.scalars import described, key

UNSET = strawberry.UNSET
strawberry.enum(
    ArticleStatus,
    description="Where the newest revision stands; whether readers see the story is Article.isLive.",
)
strawberry.enum(
    ArticleOrderField,
    description=(
        "CREATED_AT only in DRAFT. Default order: PUBLISHED_AT DESC; in DRAFT UPDATED_AT DESC. Ties by id; nulls last."
    ),
)


def field(description: str, **more: Any) -> Any:
    """An optional input field: absent is not the same as null."""
    return strawberry.field(default=UNSET, description=description, **more)


_EQ, _IN, _NOT_IN = "Exactly this.", "One of these; [] matches nothing.", "None of these; [] matches all."


@strawberry.input(description="By id.")
class IDFilter:
    in_: list[strawberry.ID] | None = field(_IN, name="in")
    not_in: list[strawberry.ID] | None = field(_NOT_IN)


@strawberry.input(description="By a text.")
class StringFilter:
    eq: str | None = field(_EQ)
    in_: list[str] | None = field(_IN, name="in")
    not_in: list[str] | None = field(_NOT_IN)


@strawberry.input(description="By the slug of what a story stands under.")
class TermFilter:
    eq: str | None = field(_EQ)
    in_: list[str] | None = field(_IN, name="in")
    not_in: list[str] | None = field(_NOT_IN)
    is_null: bool | None = field("Whether it stands under none.")


@strawberry.input(description="By the slugs of several that a story can have.")
class TermListFilter:
    any_of: list[str] | None = field("At least one of these; [] matches nothing.")
    all_of: list[str] | None = field("All of these; [] matches all.")
    none_of: list[str] | None = field("None of these; [] matches all.")


@strawberry.input(description="By an instant; several bounds together are all meant.")
class DateTimeFilter:
    eq: datetime | None = field("Exactly then.")
    gt: datetime | None = field("After.")
    gte: datetime | None = field("Then or after.")
    lt: datetime | None = field("Before.")
    lte: datetime | None = field("Then or before.")
    is_null: bool | None = field("Whether there is none.")


@strawberry.input(description="By status.")
class StatusFilter:
    in_: list[ArticleStatus] | None = field(_IN, name="in")
    not_in: list[ArticleStatus] | None = field(_NOT_IN)


@strawberry.input(
    description=(
        "Fields together are all meant. null is an error, except in isNull; an absent field does not filter; in: [] "
        "matches "
        "nothing; notIn: [] matches all. Unknown slugs match nothing."
    )
)
class ArticleFilter:
    and_: list[ArticleFilter] | None = field("All of these.", name="and")
    or_: list[ArticleFilter] | None = field("At least one of these.", name="or")
    not_: ArticleFilter | None = field("Not this.", name="not")
    id: IDFilter | None = field("By id.")
    locale: StringFilter | None = field("By locale.")
    section: TermFilter | None = field("By slug; a section includes those under it.")
    tags: TermListFilter | None = field("By slug or alias.")
    authors: TermListFilter | None = field("By slug.")
    published_at: DateTimeFilter | None = field("By the date that is printed.")
    updated_at: DateTimeFilter | None = field("By when the content last changed.")
    has_lead_media: bool | None = field("Whether it has a lead picture.")
    status: StatusFilter | None = field("Staff only: an error for readers.")
    publish_at: DateTimeFilter | None = field("By when it is scheduled. Staff only: an error for readers.")
    trashed: bool | None = field("Staff only: an error for readers. Absent: no trashed ones.")


@strawberry.enum(description="Which way a list runs.")
class Direction(StrEnum):
    ASC = "ASC"
    DESC = "DESC"


@strawberry.input(description="One column of an order.")
class ArticleOrder:
    field: ArticleOrderField = strawberry.field(description="The column.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="The direction.")


FilterArg = Annotated[ArticleFilter | None, described("Only stories that match.")]
OrderArg = Annotated[
    list[ArticleOrder] | None, described("The order, the first column first; by default the newest first.")
]

# The filter's names as Python has them, where a keyword or an underscore stands in the way.
_NAMES = {"in_": "in", "and_": "and", "or_": "or", "not_": "not"}


def plain(filter: ArticleFilter) -> dict[str, Any]:
    """A filter as the newsroom takes it: a mapping of what was given, with ids as keys."""
    return _keys(_renamed(given(filter)))


def order_of(order_by: Sequence[ArticleOrder] | None) -> list[listings.Order]:
    """An order as the newsroom takes it."""
    if order_by is not None and len(order_by) > len(ArticleOrderField):
        raise Invalid.field("orderBy", "too_many", "Order by each column once.")
    return [listings.Order(each.field, each.direction is Direction.DESC) for each in order_by or ()]


async def stories(
    info: Info,
    paging: Paging,
    *,
    term_id: UUID | None = None,
    filter: ArticleFilter | None = None,
    order_by: Sequence[ArticleOrder] | None = None,
) -> Any:
    """A page of the stories that this viewer may list, as an ArticleConnection."""
    context = info.context
    listing = await listings.articles(
        context.actor,
        context.perspective,
        term_id=term_id,
        filter=plain(filter) if filter is not None else None,
        order=order_of(order_by),
    )

    async def load(keys: list[UUID]) -> list[Any]:
        return list(await context.loaders.visible_each(context.stories, keys))

    return Rows(listing, paging, load)


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {_NAMES.get(name, name): _renamed(each) for name, each in value.items()}
    return [_renamed(each) for each in value] if isinstance(value, list) else value


def _keys(filter: dict[str, Any]) -> dict[str, Any]:
    """Decode the ids of id filters, however deep."""
    for name, value in filter.items():
        if name == "id" and value is not None:
            filter[name] = {k: (v and [key("Article", each) for each in v]) or v for k, v in value.items()}
        elif name in ("and", "or") and value is not None:
            filter[name] = [_keys(each) for each in value]
        elif name == "not" and value is not None:
            filter[name] = _keys(value)
    return filter
