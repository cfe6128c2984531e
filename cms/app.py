"""The composition root: routes, the database's life, and the work that goes on beside serving."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from cms import database, live, logs, worker
from cms.http import feeds
from cms.http.edge import Edge, always, cors
from cms.http.files import file
from cms.http.health import health
from cms.http.server import before_stopping
from cms.http.sessions import password, password_reset, session
from cms.http.uploads import upload
from cms.settings import settings
from schema import delivery, trusted
from schema.endpoint import graphql
from schema.front import Front
from schema.streams import Streams
from schema.websockets import websocket


def create_app() -> ASGIApp:
    """The ASGI application. Its lifespan opens the database, and refuses one whose tables the code does not fit."""
    app = Starlette(
        routes=[
            Route("/graphql", graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", websocket),
            Route("/session", session, methods=["POST", "DELETE"]),
            Route("/password-reset", password_reset, methods=["POST"]),
            Route("/password", password, methods=["POST"]),
            Route("/health", health),
            *feeds.ROUTES,
            Route("/media/uploads/{id}/{signature}", upload, methods=["PUT"]),
            Route("/media/{id}/{version}/{what}/{signature}/{name}", file),
        ],
        middleware=[Middleware(Edge, settings=settings())],
        lifespan=_lifespan,
    )
    told = {**always(settings()), "X-Robots-Tag": "noindex"}
    return Front(app, settings(), told.items(), cors(settings()))


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Let the garbage collector look less often, and never at what is here from the start: most of what a request makes
    dies by itself at its end, and what is kept is much and in no cycles. By default it costs a fourth of the time of a
    front page. What it looks at at once is little, though, so that nobody waits for it: cycles come in thousands with
    each document that is validated. All that is kept, it looks at once in ten million things."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000, 1, 5_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class State(TypedDict):
    """What every request finds in its state."""

    feed: live.Feed
    streams: Streams


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[State]:
    logs.configure()
    async with database.open(settings(), serving=True):
        await database.check_migrations()
        async with live.listening() as feed, worker.beside():
            streams = Streams(feed)
            with (
                delivery.keeping(feed, settings()),
                trusted.following(feed),
                before_stopping(streams.close),
                _seldom_collecting(),
            ):
                yield {"feed": feed, "streams": streams}
