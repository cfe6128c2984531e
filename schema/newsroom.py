"""The API of the site itself, and of the lists of stories that are kept by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from cms import checklist, models, newsroom
from cms.checklist import RULES, Level
from cms.errors import Invalid
from schema import media
from schema.context import Info
from schema.feeds import FeedLinks, feed_links
from schema.inputs import given, maybe
from schema.node import Node
from schema.perspective import PerspectiveArg
from schema.problems import Problem, mutation
from schema.scalars import described, key

if TYPE_CHECKING:
    from schema.articles import Article

UNSET = strawberry.UNSET


@strawberry.type(description="A place where the newsroom is, elsewhere.")
class SocialLink:
    service: str = strawberry.field(description="The service, e.g. mastodon.")
    url: str = strawberry.field(description="The address there.")
    label: str = strawberry.field(description="The text to print.")


strawberry.enum(
    Level,
    name="ChecklistRuleLevel",
    description="BLOCK refuses publication, WARN only says so, OFF is not looked for.",
)


@strawberry.type(description="One thing that every story is checked for before publication.")
class ChecklistRule:
    code: str = strawberry.field(description="The code of the items that it finds.")
    level: Level = strawberry.field(description="How grave a finding is.")
    is_fixed: bool = strawberry.field(description="The level cannot be changed.")


@strawberry.input(description="How grave the findings of one rule are from now on.")
class ChecklistRuleInput:
    code: str = strawberry.field(description="Which rule.")
    level: Level = strawberry.field(description="How grave.")


@strawberry.type(description="The site.")
class Site:
    name: str = strawberry.field(description="The name.")
    tagline: str | None = strawberry.field(description="What stands under the name.")
    url: str = strawberry.field(description="Its address, without a slash at the end.")
    locale: str = strawberry.field(description="Its own locale, which paths do not show.")
    locales: list[str] = strawberry.field(description="All locales that stories can be in.")
    time_zone: str = strawberry.field(description="The zone in which it prints times, e.g. Europe/Amsterdam.")

    @strawberry.field(description="Where its newest stories are for feed readers.")
    def feeds() -> FeedLinks:
        return feed_links("")

    @strawberry.field(
        description="What a story is checked for before publication, and how gravely. Staff only, else null."
    )
    def checklist_rules(root: strawberry.Parent[models.Site], info: Info) -> list[ChecklistRule] | None:
        if not info.context.actor.is_staff:
            return None
        levels = checklist.levels_of(root)
        return [ChecklistRule(code=each, level=level, is_fixed=RULES[each].fixed) for each, level in levels.items()]

    @strawberry.field(description="The logo.")
    async def logo(root: strawberry.Parent[models.Site], info: Info) -> media.MediaUse | None:
        return await media.use(info, root.logo_media_id, root.logo)  # type: ignore[return-value]

    @strawberry.field(description="Where else it is, in order.")
    def social_links(root: strawberry.Parent[models.Site]) -> list[SocialLink]:
        return [SocialLink(**link) for link in root.social_links]

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.Site)


@strawberry.type(
    description="An ordered list of stories kept by hand: a front page, a package. Only what this viewer may read."
)
class StoryList(Node):
    slug: str = strawberry.field(description="What it is asked for by.")
    name: str = strawberry.field(description="The name, for editors.")

    @classmethod
    def is_type_of(cls, obj: object, info: object) -> bool:
        return isinstance(obj, models.StoryList)

    @strawberry.field(description="Its stories, in order.")
    async def articles(
        root: strawberry.Parent[models.StoryList],
        info: Info,
        first: Annotated[int, described("How many; 0 to 100.")] = 20,
    ) -> list[Annotated[Article, strawberry.lazy("schema.articles")]]:
        if not 0 <= first <= 100:
            raise Invalid.field("first", "range", "first must be from 0 to 100.")
        rows = await info.context.listed(list(root.article_ids))
        return rows[:first]


@strawberry.input(description="A place where the newsroom is, elsewhere.")
class SocialLinkInput:
    service: str = strawberry.field(description="The service, e.g. mastodon.")
    url: str = strawberry.field(description="The address there.")
    label: str = strawberry.field(description="The text to print.")


@strawberry.input(description="Changes of the site; absent stays, null clears.")
class UpdateSiteInput:
    name: str | None = strawberry.field(default=UNSET, description="The name.")
    tagline: str | None = strawberry.field(default=UNSET, description="What stands under the name.")
    url: str | None = strawberry.field(default=UNSET, description="Its address.")
    locale: str | None = strawberry.field(default=UNSET, description="Its own locale.")
    locales: list[str] | None = strawberry.field(default=UNSET, description="All locales that stories can be in.")
    time_zone: str | None = strawberry.field(default=UNSET, description="The zone in which it prints times.")
    logo: media.MediaUseInput | None = strawberry.field(default=UNSET, description="The logo.")
    social_links: list[SocialLinkInput] | None = strawberry.field(
        default=UNSET, description="Where else it is, in order."
    )
    checklist_rules: list[ChecklistRuleInput] | None = strawberry.field(
        default=UNSET, description="Rules of the checklist whose level changes. Alone, CHIEF."
    )


@strawberry.input(description="A list and its stories. Makes the list when no list has that slug.")
class SetStoryListInput:
    slug: str = strawberry.field(description="What it is asked for by.")
    name: str | None = strawberry.field(default=UNSET, description="The name, for editors; by default as it is.")
    article_ids: list[strawberry.ID] = strawberry.field(description="All its stories, in order; at most 200.")


SiteResult = Annotated[Site | Problem, strawberry.union("SiteResult", description="The site, or why not.")]
StoryListResult = Annotated[
    StoryList | Problem, strawberry.union("StoryListResult", description="The list, or why not.")
]


@strawberry.type
class NewsroomQuery:
    @strawberry.field(description="The site.")
    async def site(self, info: Info) -> Site:
        return await info.context.site()  # type: ignore[return-value]

    @strawberry.field(description="One list kept by hand; for readers, from its first live story on.")
    async def story_list(
        self,
        info: Info,
        slug: Annotated[str, described("Its slug.")],
        perspective: PerspectiveArg = None,
    ) -> StoryList | None:
        return await info.context.loaders.with_slug(models.StoryList, slug)  # type: ignore[return-value]


@strawberry.type
class NewsroomMutation:
    @mutation("Change the site. ADMIN; the rules of the checklist alone, CHIEF.")
    async def update_site(self, info: Info, input: UpdateSiteInput) -> SiteResult:
        changes = given(input, leave_out=("checklist_rules",))
        if rules := maybe(input.checklist_rules):
            changes["checklist"] = {rule.code: rule.level for rule in rules}
        return await newsroom.update_site(info.context.actor, changes)  # type: ignore[return-value]

    @mutation("Make or change a list. EDITOR.")
    async def set_story_list(self, info: Info, input: SetStoryListInput) -> StoryListResult:
        return await newsroom.set_story_list(  # type: ignore[return-value]
            info.context.actor,
            slug=input.slug,
            name=maybe(input.name),
            article_ids=[key("Article", id) for id in input.article_ids],
        )
