"""The command line: `cms`. Each command is a function of a few lines; what it does lives in the module it names.

Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 refused or failed, with one line that says why;
2 called wrongly; 130 and 143 stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from types import FrameType
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvicorn
from pydantic import ValidationError
from typer.exceptions import TyperException

import schema as api
from cms import accounts, database, demo, embedded, ids, jobs, logs, media, search, trusted
from cms.database import DatabaseUnavailable
from cms.errors import CMSError, Invalid, NotFound
from cms.http.server import UVICORN
from cms.importers import page, pages
from cms.models import LinkPurpose, Role, Section, TokenScope, User
from cms.permissions import SYSTEM
from cms.settings import settings
from cms.worker import beside
from schema.execution import documents
from schema.trusted import check

T = TypeVar("T")

GRACE_SECONDS = 10
HUNG_SECONDS = 60  # a worker that is still importing on a busy machine does not answer either
WEBSOCKET_BYTES = 1024 * 1024

_APP = "cms.app:create_app"
_FRONT_PAGE = """{ site { name } storyList(slug: "front") { articles(first: 3) { headline path bylineText } } }"""

app = typer.Typer(
    name="cms",
    help="A headless CMS for newsrooms with a GraphQL API. Settings are CMS_… variables of the environment.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


users = typer.Typer(help="Who works here.", rich_markup_mode=None)
tokens = typer.Typer(help="Bearer tokens, for programs.", rich_markup_mode=None)
jobs_ = typer.Typer(help="Work that is owed.", rich_markup_mode=None)
imports = typer.Typer(help="Stories from elsewhere.", rich_markup_mode=None)
trust = typer.Typer(help="The queries of clients that are trusted.", rich_markup_mode=None)
files = typer.Typer(help="The library's files.", rich_markup_mode=None)
app.add_typer(files, name="media", epilog="Example: cms media reconcile --help")
app.add_typer(trust, name="documents", epilog="Example: cms documents push manifest.json")
app.add_typer(users, name="user", epilog="Example: cms user create --help")
app.add_typer(tokens, name="token", epilog="Example: cms token create --help")
app.add_typer(jobs_, name="jobs", epilog="Example: cms jobs list")
app.add_typer(imports, name="import", epilog="Example: cms import page --help")


@app.callback(epilog="Start with: cms serve")
def _cms() -> None:
    pass


Email = Annotated[str, typer.Argument(help="The user's address.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on (CMS_HOST; 127.0.0.1).")]
Port = Annotated[int | None, typer.Option(help="Port; 0 takes a free one (CMS_PORT; 8000).", min=0, max=65535)]


@app.command(epilog="Examples: cms serve | cms serve --host 0.0.0.0 --port 80 --workers 4")
def serve(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int, typer.Option(help="Processes that answer requests.", min=1)] = 1,
) -> None:
    """Answer requests until stopped by Ctrl-C or SIGTERM.

    The embedded database is started, and migrated where it has to be. That of CMS_DATABASE_URL has to be migrated
    before, by `cms migrate`.
    """
    _listen_on(host, port)
    with _embedded_server():
        run(_nothing)
        try:
            uvicorn.run(_APP, workers=workers, **_serving())
        except _Stopped:  # uvicorn repeats the signal once it has shut down: that is what was asked for
            return
        except SystemExit as failed:  # it has said why
            raise typer.Exit(1) from failed


@app.command("demo", epilog="Examples: cms demo | CMS_DATA_DIR=./demo cms demo --port 0")
def run_demo(
    host: Host = None,
    port: Port = None,
    serve: Annotated[
        bool, typer.Option(" /--no-serve", show_default=False, help="Only make the newsroom, and end.")
    ] = True,
) -> None:
    """Make a small newsroom of invented stories, the first time, and serve it until stopped.

    Prints where it is served, an editor's sign-in and token, and a query to start with. The database is migrated first.
    """
    _listen_on(host, port)

    async def work() -> demo.SignIn:
        async with database.open(settings()):
            await database.migrate()
            print("The newsroom was made." if await demo.make() else "The newsroom is there already.", flush=True)
            return await demo.sign_in()

    with _embedded_server():
        sign_in = asyncio.run(work())
        print(f"Editor   {sign_in.email}, password {sign_in.password}")
        print(f"Token    {sign_in.token}", flush=True)
        if serve:
            _serve_demo(_Demo(uvicorn.Config(_APP, **_serving())))


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


@app.command(epilog="Example: cms reindex")
def reindex() -> None:
    """Make the tables again that are derived from stories: what is listed under tags, authors and sections, and what
    search reads.

    Meanwhile stories can be read, and not saved or published.
    """
    run(search.reindex)


@app.command(epilog="Example: cms recount")
def recount() -> None:
    """Compare the counts that are kept, of stories under tags, authors and sections and of words, with what they count,
    and print those that differ: of what, how many were kept, how many there are.

    Where one differs, the derived tables are made again, as by `cms reindex`. Meanwhile stories can be read, and not
    saved or published.
    """
    found = run(search.recount)
    for what, kept, counted in found:
        print(what, kept, counted, sep="\t")
    print(f"{len(found)} were wrong", file=sys.stderr)


@files.command("reconcile", epilog="Example: cms media reconcile")
def reconcile() -> None:
    """Remove stored bytes that the library knows nothing of, and print the ids of files whose bytes are gone.

    Bytes younger than a day are left alone: they may belong to an upload that goes on. Exit code 1 where bytes are
    gone: only a backup of the files brings them back.
    """
    findings = run(media.reconcile)
    print(f"{len(findings.removed)} removed", file=sys.stderr)
    for id in findings.missing:
        print(id)
    if findings.missing:
        raise typer.Exit(1)


@app.command(epilog="Example: CMS_DATABASE_URL=postgresql://cms:secret@db/cms cms worker")
def worker() -> None:
    """Do what is due and what is owed until stopped: schedules, letters, jobs. `cms serve` does so too."""
    logs.configure()

    async def work() -> None:
        async with beside():
            await asyncio.Event().wait()

    try:
        run(work)
    except _Stopped:
        return


@jobs_.command("list", epilog="Example: cms jobs list")
def list_jobs() -> None:
    """Print the jobs that have failed for good: id, kind, tries, since when, and what they were about."""
    for job in run(jobs.held):
        print(job.id, job.kind, job.tries, f"{job.since:%F %R}", json.dumps(job.payload), sep="\t")


@jobs_.command("retry", epilog="Example: cms jobs retry 17 18")
def retry_jobs(ids: Annotated[list[int], typer.Argument(help="Their ids, as `cms jobs list` prints them.")]) -> None:
    """Try failed jobs once more, from the beginning."""
    run(lambda: jobs.try_again(ids))


@trust.command("push", epilog="Example: cms documents push manifest.json --cache 60 --cache FrontPage=10")
def push_documents(
    manifest: Annotated[
        typer.FileBinaryRead, typer.Argument(help="What the client's build wrote; - for standard input.")
    ],
    cache: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[OPERATION=]SECONDS", help="How long caches before us may keep answers (CMS_SHARED_CACHE_SECONDS)."
        ),
    ] = None,
) -> None:
    """Trust the documents of a manifest, all or none: clients may ask for each by its id from now on.

    Manifests are an object of documents by id, as Relay's compiler and GraphQL Code Generator write it, or Apollo's
    persisted query manifest. Every document is checked against the schema and the limits. What was pushed before stays,
    for clients that are still about; pushed again it gets the new times.
    """
    usual, by_name = _cache_times(cache or [])

    async def work() -> trusted.Pushed:
        given = trusted.read(manifest.read())
        names = await check(documents, given)
        if unknown := by_name.keys() - {each for name in names.values() for each in name.split(", ")}:
            raise Invalid.field(
                "cache", "unknown", f"The manifest has no operation named {', '.join(sorted(unknown))}."
            )
        times = {id: by_name.get(name, usual) for id, name in names.items()}
        seconds = {id: time for id, time in times.items() if time is not None}
        return await trusted.push(SYSTEM, given, names=names, seconds=seconds)

    try:
        pushed = run(work)
    except Invalid as error:
        for issue in error.issues[:-1]:
            print(issue.message, file=sys.stderr)
        raise Invalid(f"{error.issues[-1].message} Nothing was pushed.") from None
    print(f"{pushed.added} added, {pushed.known} known")


@trust.command("list", epilog="Example: cms documents list")
def list_documents() -> None:
    """Print the trusted documents, the newest first: id, operation, when it was pushed, seconds in caches before us."""
    for each in run(trusted.documents):
        seconds = "" if each.shared_seconds is None else each.shared_seconds
        print(each.id, each.name, f"{each.pushed_at:%F %R}", seconds, sep="\t")


@trust.command("remove", epilog="Example: cms documents list | awk '/2024-/ {print $1}' | xargs cms documents remove")
def remove_documents(
    ids: Annotated[list[str], typer.Argument(help="Their ids, as `cms documents list` prints them.")],
) -> None:
    """Trust these documents no more, all or none: who asks for one is refused from now on."""
    run(lambda: trusted.remove(SYSTEM, ids))


@users.command("create", epilog="Example: cms user create mara@courier.example --name 'Mara Lindqvist' --role EDITOR")
def create_user(
    email: Annotated[str, typer.Argument(help="What the user signs in with.")],
    name: Annotated[str, typer.Option(help="As colleagues see it.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Add somebody who works here, and print their id. The password is asked for, twice."""
    password = _password(password_stdin)
    user = run(lambda: accounts.create_user(SYSTEM, email=email, name=name, role=role, password=password))
    print(ids.encode("User", user.id))


@users.command("invite", epilog="Example: cms user invite mara@courier.example --name 'Mara Lindqvist' --role EDITOR")
def invite_user(
    email: Annotated[str, typer.Argument(help="What the user will sign in with.")],
    name: Annotated[str, typer.Option(help="As colleagues see it.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")],
) -> None:
    """Add somebody who chooses a password by a link, within 7 days. Again: a new link.

    The link is sent through CMS_SMTP_URL, by `cms serve`; without one it is printed.
    """

    async def work() -> str | None:
        user = await accounts.invite_user(SYSTEM, email=email, name=name, role=role)
        return await accounts.new_link(user, LinkPurpose.INVITATION)

    _print_link(run(work))


@users.command("reset", epilog="Example: cms user reset mara@courier.example")
def reset_password(email: Email) -> None:
    """Let somebody choose a new password by a link, within 30 minutes. Until then the old one stands.

    The link is sent through CMS_SMTP_URL, by `cms serve`; without one it is printed.
    """

    async def work() -> str | None:
        return await accounts.new_link(await _user(email), LinkPurpose.RESET)

    _print_link(run(work))


@users.command("disable", epilog="Example: cms user disable mara@courier.example")
def disable_user(email: Email) -> None:
    """Shut somebody out: their sessions and tokens end within seconds. What they made stays theirs."""

    async def work() -> None:
        await accounts.update_user(SYSTEM, (await _user(email)).id, {"is_active": False})

    run(work)


class ReadingScope(StrEnum):
    """What a token opens that writes nothing."""

    READ = "READ"
    PREVIEW = "PREVIEW"


@tokens.command(
    "create",
    epilog="Examples: cms token create website --scope READ | cms token create importer --role CONTRIBUTOR | "
    "cms token create 'my scripts' --user mara@courier.example",
)
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[
        Role | None,
        typer.Option(help="What it may do, as a user of its own or less than --user."),
    ] = None,
    scope: Annotated[
        ReadingScope | None,
        typer.Option(help="READ what is published; PREVIEW drafts too. Neither writes."),
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="EMAIL", help="The user that it acts as.")] = None,
) -> None:
    """Make a bearer token and print it: this once, since only its hash is kept.

    Send it as a header: `Authorization: Bearer TOKEN`.
    """
    if (scope is None) == (role is None and user is None):
        raise typer.BadParameter("give --scope, or --role, --user or both")
    wanted = TokenScope(scope) if scope else TokenScope.WRITE

    async def work() -> str:
        acting = await _user(user) if user else None
        return await accounts.create_token(SYSTEM, name=name, scope=wanted, user=acting, role=role)

    print(run(work))


@tokens.command("list", epilog="Example: cms token list")
def list_tokens() -> None:
    """Print every token: its id, name, what it opens, when it was last used, and whether it has ended."""
    for token in run(lambda: accounts.tokens_of(SYSTEM)):
        ended = "revoked" if token.revoked_at else f"until {token.expires_at:%F %R}" if token.expires_at else "for ever"
        used = f"used {token.last_used_at:%F %R}" if token.last_used_at else "never used"
        print(ids.encode("Token", token.id), token.scope, token.role or "", used, ended, token.name, sep="\t")


@tokens.command("revoke", epilog="Example: cms token revoke bwGd0kWl6HeSrRj6sRcL8Kk")
def revoke_token(id: Annotated[str, typer.Argument(help="Its id, as `cms token list` prints it.")]) -> None:
    """End a token, at once and for ever."""
    key = ids.decode_as("Token", id)
    if key is None:
        raise typer.BadParameter("that is not the id of a token: see `cms token list`")
    run(lambda: accounts.revoke_token(SYSTEM, key))


@imports.command("page", epilog="Examples: cms import page article.txt | cms import page --publish - < article.txt")
def import_page(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="The plain text of the page; - for standard input.")],
    site: Annotated[bool, typer.Option("--site", help="Take the site's name from the page.")] = False,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="The user who holds the story.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the story.")] = False,
) -> None:
    """Make a story of an article's page, once: its id, path and status.

    The page's date becomes the date of the story's first publication. What the page leaves unclear is said on standard
    error. A page that was imported before is found again and not changed.
    """
    text = page.decode(file.read(page.MAX_BYTES + 1))

    async def work() -> pages.Imported:
        holder = await _user(owner) if owner else None
        known = await Section.all().values_list("name", flat=True)
        read = page.parse(text, sections=[str(name) for name in known])
        return await pages.import_page(SYSTEM, read, owner=holder, site=site, publish=publish)

    done = run(work)
    for sentence in (*done.unclear, *(() if done.is_new else ["The page was imported before: this is its story."])):
        print(sentence, file=sys.stderr)
    print(ids.encode("Article", done.head.article_id), done.path, done.status)


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
        _fail("; ".join(map(_setting, error.errors())), 1)
    except (CMSError, DatabaseUnavailable) as error:
        _fail(str(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


class _Stopped(SystemExit):
    pass


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    """Leave like any exception does, so that what is open is closed."""
    raise _Stopped(128 + number)


def _setting(error: Any) -> str:
    """What is wrong with the environment; what is said of several variables together names them itself."""
    where = f"CMS_{error['loc'][0]}: ".upper() if error["loc"] else ""
    return where + str(error["msg"]).removeprefix("Value error, ")


def _fail(message: str, code: int) -> NoReturn:
    print(f"cms: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _embedded_server() -> AbstractContextManager[object]:
    """Held by us, so that it outlives a worker that dies."""
    return nullcontext() if settings().database_url else embedded.running(settings().data_dir)


async def _nothing() -> None:
    pass


def _listen_on(host: str | None, port: int | None) -> None:
    """The environment is what the processes of uvicorn share."""
    given = {"CMS_HOST": host, "CMS_PORT": port}
    os.environ |= {name: str(value) for name, value in given.items() if value is not None}
    settings.cache_clear()


def _serving() -> dict[str, Any]:
    logs.configure()
    return UVICORN | {
        "factory": True,
        "host": settings().host,
        "port": settings().port,
        "ws_max_size": WEBSOCKET_BYTES,
        "ws_per_message_deflate": False,  # a small frame may inflate to any size
        "timeout_worker_healthcheck": HUNG_SECONDS,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


class _Demo(uvicorn.Server):
    """Says where it is once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            url = f"http://{self.config.host}:{self.servers[0].sockets[0].getsockname()[1]}/graphql"
            body = shlex.quote(json.dumps({"query": _FRONT_PAGE}))
            print(f"Served   {url}\n\nThe front page:\n")
            print(f"  curl -s {url} -H 'Content-Type: application/json' -d {body}\n", flush=True)


def _serve_demo(server: _Demo) -> None:
    try:
        server.run()
    except (_Stopped, KeyboardInterrupt):  # repeated once it has shut down, as above
        return
    if not server.started:  # it has said why
        raise typer.Exit(1)


def _cache_times(given: list[str]) -> tuple[int | None, dict[str, int]]:
    """For all documents, and for those of an operation."""
    usual, by_name = None, {}
    for each in given:
        name, _, seconds = each.rpartition("=")
        if not seconds.isdecimal() or len(seconds) > 8:
            raise typer.BadParameter(f"--cache {each}: give SECONDS, or OPERATION=SECONDS")
        if name:
            by_name[name] = int(seconds)
        else:
            usual = int(seconds)
    return usual, by_name


def _print_link(url: str | None) -> None:
    if url is None:
        print("The link is sent by e-mail as soon as `cms serve` runs.", file=sys.stderr)
    else:
        print(url)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is there to type a password: give it with --password-stdin")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    return typed


async def _user(email: str) -> User:
    user = await User.get_or_none(email=accounts.normal_email(email), is_active=True)
    if user is None:
        raise NotFound(f"There is no active user with the address {email}.")
    return user


if __name__ == "__main__":
    main()
