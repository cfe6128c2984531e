"""The command line: `cms`. Each command is a function of a few lines; what it does lives in the module it names.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 refused or failed, with one line that says why;
2 called wrongly; 130 and 143 stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Annotated, NoReturn, TypeVar

import typer
import uvicorn
from pydantic import ValidationError
from typer.exceptions import TyperException

import schema as api
from cms import database, embedded
from cms.database import DatabaseUnavailable
from cms.errors import CMSError
from cms.settings import settings

T = TypeVar("T")

GRACE_SECONDS = 10
HUNG_SECONDS = 60  # a worker that is still importing on a busy machine does not answer either
WEBSOCKET_BYTES = 1024 * 1024

app = typer.Typer(
    name="cms",
    help="A headless CMS for newsrooms with a GraphQL API. Settings are CMS_… variables of the environment.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(epilog="Start with: cms serve")
def _cms() -> None:
    pass


@app.command(epilog="Examples: cms serve | cms serve --host 0.0.0.0 --port 80 --workers 4")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (CMS_HOST; 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one (CMS_PORT; 8000).", min=0, max=65535)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that answer requests.", min=1)] = 1,
) -> None:
    """Answer requests until stopped by Ctrl-C or SIGTERM.

    The embedded database is started, and migrated where it has to be. That of CMS_DATABASE_URL has to be migrated
    before, by `cms migrate`.
    """
    # The environment is what the processes of uvicorn share.
    os.environ |= {
        name: str(value) for name, value in {"CMS_HOST": host, "CMS_PORT": port}.items() if value is not None
    }
    settings.cache_clear()
    with _embedded_server():
        run(_nothing)
        try:
            uvicorn.run(
                "cms.app:create_app",
                factory=True,
                host=settings().host,
                port=settings().port,
                workers=workers,
                lifespan="on",
                http="httptools",
                ws_max_size=WEBSOCKET_BYTES,
                ws_per_message_deflate=False,  # a small frame may inflate to any size
                server_header=False,
                access_log=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_worker_healthcheck=HUNG_SECONDS,
            )
        except _Stopped:  # uvicorn repeats the signal once it has shut down: that is what was asked for
            return
        except SystemExit as failed:  # it has said why
            raise typer.Exit(1) from failed


@app.command(epilog="Example: CMS_DATABASE_URL=postgresql://cms:secret@db/cms cms migrate")
def migrate() -> None:
    """Bring the database up to this release: all missing migrations, or none."""

    async def work() -> list[str]:
        async with database.open(settings()):
            return await database.migrate()

    for name in asyncio.run(work()):
        print(name)


@app.command("schema", epilog="Example: cms schema > schema.graphql")
def print_schema() -> None:
    """Print the GraphQL schema."""
    print(api.schema.as_str().rstrip())


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Do what a command does, with the database open and as this release needs it."""

    async def inside() -> T:
        async with database.open(settings()):
            if settings().database_url is None:
                await database.migrate()
            else:
                await database.check_migrations()
            return await work()

    return asyncio.run(inside())


def main() -> None:
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(prog_name="cms", standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        advice = f" (see {context.command_path} --help)" if context else ""
        _fail(error.format_message().rstrip(".") + advice, error.exit_code)
    except typer.Abort:
        _fail("stopped", 1)
    except ValidationError as error:
        _fail("; ".join(f"CMS_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()), 1)
    except (CMSError, DatabaseUnavailable) as error:
        _fail(str(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


class _Stopped(SystemExit):
    pass


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave like any exception does, so that what is open is closed."""
    raise _Stopped(128 + number)


def _fail(message: str, code: int) -> NoReturn:
    print(f"cms: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _embedded_server() -> AbstractContextManager[object]:
    """Held by us, so that it outlives a worker that dies."""
    return nullcontext() if settings().database_url else embedded.running(settings().data_dir)


async def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
