"""The GraphQL API: one file a domain, joined here."""

from __future__ import annotations

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types
from strawberry.types import ExecutionContext

from schema import access
from schema.accounts import AccountsMutation, AccountsQuery
from schema.articles import Article, ArticlesMutation, ArticlesQuery, Revision
from schema.body import BLOCKS
from schema.changes import ChangesQuery
from schema.comments import CommentsMutation
from schema.documents import Given
from schema.enums import describe_values
from schema.events import Event, EventsQuery
from schema.library import MediaMutation, MediaQuery
from schema.media import Media
from schema.newsroom import NewsroomMutation, NewsroomQuery
from schema.perspective import OnePerspective
from schema.previews import PreviewsMutation, PreviewsQuery
from schema.problems import ProblemHandler
from schema.queue import QueueQuery
from schema.routes import RedirectRule, RoutesQuery
from schema.scalars import SCALARS
from schema.search import SearchQuery
from schema.subscriptions import Subscription
from schema.taxonomy import TaxonomyMutation, TaxonomyQuery
from schema.workflow import WorkflowMutation

Query = merge_types(
    "Query",
    (
        RoutesQuery,
        NewsroomQuery,
        AccountsQuery,
        ArticlesQuery,
        TaxonomyQuery,
        EventsQuery,
        ChangesQuery,
        PreviewsQuery,
        QueueQuery,
        MediaQuery,
        SearchQuery,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        ArticlesMutation,
        WorkflowMutation,
        CommentsMutation,
        PreviewsMutation,
        TaxonomyMutation,
        NewsroomMutation,
        AccountsMutation,
        MediaMutation,
    ),
)


class _Schema(strawberry.Schema):
    """Errors are logged where they are formatted, with the id that the client gets too: once."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        pass


describe_values()
schema = _Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[Article, Revision, Media, Event, RedirectRule, *BLOCKS],
    config=StrawberryConfig(scalar_map=SCALARS),
    extensions=[Given, OnePerspective],
    exception_handlers=[ProblemHandler()],
)
access.check(schema._schema)
