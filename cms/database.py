"""The database: the connection of this process, transactions, and migrations.

`open()` connects to CMS_DATABASE_URL, or to the embedded server of the data directory. Models are used as Tortoise
offers them, writes inside `transaction()`, and `connect()` gives a connection of one's own (to LISTEN, to stream).

Migrations are files in cms/migrations. `migrate()` runs all that are missing in one transaction, so that it happens
whole or not at all. A release works with a database that a newer one has migrated, as during a rolling upgrade, unless
a migration it does not know has a name that ends in `_incompatible`: name one so when the release before it would
break, or would do damage.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, wraps
from pathlib import Path
from random import uniform
from typing import Any, ParamSpec, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from weakref import WeakKeyDictionary

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from tortoise.backends.asyncpg.client import AsyncpgDBClient
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.connection import get_connection, get_connections
from tortoise.context import TortoiseContext, get_current_context
from tortoise.exceptions import IntegrityError
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor
from tortoise.models import Model
from tortoise.transactions import in_transaction

from cms import embedded
from cms.embedded import DatabaseUnavailable
from cms.settings import Settings

__all__ = [
    "TORTOISE",
    "DatabaseUnavailable",
    "check_migrations",
    "connect",
    "found",
    "lock",
    "locked",
    "migrate",
    "open",
    "pending",
    "reading",
    "retrying",
    "rows",
    "saving",
    "transaction",
]

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Model)

OLDEST = 15
CONNECT_SECONDS = 10
MODELS = "cms.models"
MIGRATIONS = "cms.migrations"
INCOMPATIBLE = "_incompatible"
TRIES = 4
# How long one statement may take: of a reader; of anybody else, while we serve.
READER_SECONDS, SERVING_SECONDS = 5, 30
# Statements that one connection of readers keeps prepared.
_MOST_PREPARED = 500
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Of transactions that migrate. Any number will do that nobody else locks in this database.
_MIGRATION_LOCK = 0x636D73


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Nobody leaves anything of a session behind: what is set or locked ends with its transaction (which asyncpg rolls
    back, if it is open still), and whoever listens has a connection of their own."""


_POOL = {
    "reset": _as_it_is,
    "minsize": 1,
    "max_inactive_connection_lifetime": 0,
    # asyncpg's own limits make it plan every statement anew now and then.
    "max_queries": 2**31,
    "statement_cache_size": 1000,
    "max_cached_statement_lifetime": 0,
}
# What each transaction that is under way has locked.
_locked: WeakKeyDictionary[BaseDBAsyncClient, set[str]] = WeakKeyDictionary()
_SESSION = {"application_name": "copydesk", "TimeZone": "UTC", "jit": "off"}


@asynccontextmanager
async def open(settings: Settings, *, serving: bool = False) -> AsyncIterator[None]:
    """Connect this process; every task of it uses the models from then on, also when opened in an ASGI lifespan.

    Opened again inside, it is a connection of the current task and its children only. While it is serving, PostgreSQL
    breaks off what takes too long; a command takes the time it needs.
    """
    async with AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            url = await stack.enter_async_context(_embedded(settings.data_dir))
        credentials = _credentials(url)
        await _check_server(credentials)
        nested = get_current_context() is not None
        context = _Context()
        stack.push_async_callback(context.close_connections)
        pool = {**_POOL, "maxsize": settings.database_pool_size}
        with context:
            writers = _lasting(credentials, SERVING_SECONDS) if serving else credentials
            readers = _lasting(credentials, READER_SECONDS, default_transaction_read_only="on")
            await context.init(
                _configuration({**writers, **pool}, {**readers, **pool}), _enable_global_fallback=not nested
            )
            # Under this name transactions look for the connection that stands for it.
            get_connection("reader").connection_name = "default"
            own = {key: value for key, value in readers.items() if key not in _POOL_ONLY}
            context.readers = _Readers(own, settings.database_pool_size)
            stack.push_async_callback(context.readers.close)
        if nested:
            stack.enter_context(context)
        yield


@contextmanager
def reading() -> Iterator[None]:
    """What the current task does inside can only read, through connections of their own, each statement for
    READER_SECONDS at most."""
    connections = get_connections()
    token = connections.set("default", connections.get("reader"))
    try:
        yield
    finally:
        connections.reset(token)


async def found(
    model: type[M], rest: str, *params: Any, joined: Mapping[str, type[Model]] | None = None, **more: str
) -> list[M]:
    """The rows of a model's table that a statement finds, rest of which is what follows "from". joined: models whose
    tables it joins, by the relation that each row gets them under; more: SQL of what else it gets, as attributes. For
    what every write asks: to say it in Tortoise's way takes longer than PostgreSQL takes to answer.

    The columns are named, so that one that a newer release has added does no harm to statements that are prepared.
    """
    joined = joined or {}
    sql = f"select {_selected(model, tuple(joined.items()), tuple(more.items()))} from {rest}"  # noqa: S608
    made = []
    for row in (await get_connection("default").execute_query(sql, list(params)))[1]:
        values = iter(row)
        made.append(model._init_from_db(**_taken(model, values)))
        for name in more:
            setattr(made[-1], name, next(values))
        for name, other in joined.items():
            taken = _taken(other, values)
            there = taken[other._meta.db_pk_column] is not None
            setattr(made[-1], name, other._init_from_db(**taken) if there else None)
    return made


@cache
def _selected(
    model: type[Model], joined: tuple[tuple[str, type[Model]], ...], more: tuple[tuple[str, str], ...]
) -> str:
    columns = [*_columns(model), *(f"{sql} as {name}" for name, sql in more)]
    columns += [f'{column} as "{name} {i}"' for name, other in joined for i, column in enumerate(_columns(other))]
    return ", ".join(columns)


def _columns(model: type[Model]) -> list[str]:
    return [f'"{model._meta.db_table}".{column}' for column in model._meta.fields_db_projection_reverse]


def _taken(model: type[Model], values: Iterator[Any]) -> dict[str, Any]:
    """The next values of a row are those of this model's columns."""
    return {column: next(values) for column in model._meta.fields_db_projection_reverse}


def saving(row: Model, key: int, first: int) -> tuple[str, list[Any]]:
    """SQL that writes what is in a row to its columns, and what they get: parameters from the first on. Its key is
    another parameter already."""
    model = type(row)
    fields = [model._meta.fields_map[name] for name in model._meta.fields_db_projection if name != model._meta.pk_attr]
    values = [field.to_db_value(getattr(row, field.model_field_name), row) for field in fields]
    return _update(model, key, first), values


@cache
def _update(model: type[Model], key: int, first: int) -> str:
    own = model._meta.db_pk_column
    others = [column for column in model._meta.fields_db_projection_reverse if column != own]
    updates = ", ".join(f"{column} = ${i}" for i, column in enumerate(others, first))
    return f'update "{model._meta.db_table}" set {updates} where {own} = ${key}'  # noqa: S608


async def lock(statement: str) -> None:
    """Run a statement that locks something until the transaction ends, unless that was done in it already."""
    client = get_connection("default")
    if statement not in _locked.get(client, ()) or not isinstance(client, TransactionalDBClient):
        await client.execute_query(statement)
        locked(statement)


def locked(statement: str) -> None:
    """What this statement locks is locked, until the transaction ends."""
    _locked.setdefault(get_connection("default"), set()).add(statement)


async def rows(sql: str, *params: Any) -> list[asyncpg.Record]:
    """What one statement of a reader gives, past Tortoise: nothing is between it and PostgreSQL but a connection."""
    context = get_current_context()
    assert isinstance(context, _Context)
    return await context.readers.fetch(sql, params)


def transaction() -> _Transaction:
    """`async with transaction():` all or nothing. Inside another one it is a savepoint of it."""
    return _Transaction()


def retrying(write: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Run a write that opens its own transaction again, when PostgreSQL broke it off in favour of another.

    That is a deadlock or a serialization failure, or that something was deleted that it was about to point at. Inside a
    transaction nothing is tried again: its owner has to.
    """

    @wraps(write)
    async def tried(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES):
            try:
                return await write(*args, **kwargs)
            except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, IntegrityError) as error:
                if isinstance(get_connection("default"), TransactionalDBClient) or not _may_pass(error):
                    raise
                await asyncio.sleep(uniform(0, 0.01 * 2**attempt))  # noqa: S311 - only spreads them
        return await write(*args, **kwargs)

    return tried


def _may_pass(error: Exception) -> bool:
    """Whether another try may do better: what the write pointed at may have been deleted since it looked."""
    if not isinstance(error, IntegrityError):
        return True
    return any(isinstance(each, asyncpg.ForeignKeyViolationError) for each in (error.__cause__, *error.args))


async def connect() -> asyncpg.Connection:
    """A connection of one's own to the open database; the caller closes it."""
    credentials = get_connections().db_config["default"]["credentials"]
    return await asyncpg.connect(**{key: value for key, value in credentials.items() if key not in _POOL_ONLY})


async def migrate(migrations: str = MIGRATIONS) -> list[str]:
    """Run every missing migration, in one transaction; their names. A second run at the same time waits."""
    done: list[str] = []
    async with transaction() as connection:
        # If we are killed, the server notices within a second, even in the middle of a long statement.
        await connection.execute_query("set local client_connection_check_interval = '1s'")
        await connection.execute_query("select pg_advisory_xact_lock($1)", [_MIGRATION_LOCK])
        executor = _executor(connection, migrations)
        # First, because Tortoise takes an error while it reads the table as "nothing recorded".
        await executor.recorder.ensure_schema(AsyncpgSchemaEditor(connection, atomic=False))
        _refuse_incompatible(await _recorded(connection) - _known(executor))
        await executor.migrate(
            direction="forward", progress=lambda what, _, name: done.append(name) if what == "apply_done" else None
        )
    return done


async def pending(migrations: str = MIGRATIONS) -> list[str]:
    """Migrations of this release that the database lacks."""
    connection = get_connection("default")
    return sorted(_known(_executor(connection, migrations)) - await _recorded(connection))


async def check_migrations(migrations: str = MIGRATIONS) -> None:
    """DatabaseUnavailable unless this release can work with the database as it is."""
    connection = get_connection("default")
    known, recorded = _known(_executor(connection, migrations)), await _recorded(connection)
    _refuse_incompatible(recorded - known)
    if missing := sorted(known - recorded):
        names = ", ".join(missing)
        raise DatabaseUnavailable(f"the database lacks migrations that this release needs ({names}): run `cms migrate`")


class _Reader:
    """One connection that can only read, with the statements that it has prepared: they are few and come again."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._prepared: dict[str, PreparedStatement] = {}

    @classmethod
    async def open(cls, credentials: dict[str, Any]) -> _Reader:
        connection = await asyncpg.connect(**credentials)
        # asyncpg's own way to make an instant takes longer than all else of a row: the same ones come again and again.
        await connection.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_instant, format="tuple"
        )
        return cls(connection)

    async def fetch(self, sql: str, params: Sequence[Any]) -> list[asyncpg.Record]:
        statement = self._prepared.get(sql)
        if statement is None:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            statement = self._prepared[sql] = await self.connection.prepare(sql)
        try:
            # PostgreSQL is the first to break it off, if it is there at all.
            found = await statement.fetch(*params, timeout=READER_SECONDS + 1)
        except asyncpg.InvalidCachedStatementError:  # a table has changed since
            self._prepared.clear()
            found = await self.connection.fetch(sql, *params)
        return found  # type: ignore[no-any-return]


class _Readers:
    """Readers, the one used last first. They need no reset: nothing is left behind on them."""

    def __init__(self, credentials: dict[str, Any], most: int) -> None:
        # Statements are planned once each, not for each number of rows.
        settings = {**credentials["server_settings"], "plan_cache_mode": "force_generic_plan"}
        self._credentials = {**credentials, "server_settings": settings}
        self._idle: list[_Reader] = []
        self._free = asyncio.Semaphore(most)

    async def fetch(self, sql: str, params: Sequence[Any]) -> list[asyncpg.Record]:
        async with asyncio.timeout(READER_SECONDS) if self._free.locked() else nullcontext():
            await self._free.acquire()
        try:
            reader = self._idle.pop() if self._idle else None
            if reader is None or reader.connection.is_closed():
                reader = await _Reader.open(self._credentials)
            try:
                found = await reader.fetch(sql, params)
            except BaseException:
                reader.connection.terminate()  # what is still under way on it is not waited for
                raise
            self._idle.append(reader)
            return found
        finally:
            self._free.release()

    async def close(self) -> None:
        for reader in self._idle:
            await reader.connection.close()
        self._idle.clear()


@lru_cache(20_000)
def _instant(sent: tuple[int]) -> datetime:
    """sent: as PostgreSQL sends an instant, microseconds since the year 2000."""
    return _EPOCH + timedelta(microseconds=sent[0])


def _microseconds(at: datetime) -> tuple[int]:
    return ((at - _EPOCH) // timedelta(microseconds=1),)


class _Context(TortoiseContext):
    readers: _Readers


class _Transaction:
    """Tortoise's, but a task that is cancelled while the transaction begins gives its connection back."""

    def __init__(self) -> None:
        self._inner = in_transaction("default")

    async def __aenter__(self) -> BaseDBAsyncClient:
        client = self._inner.client
        try:
            return await self._inner.__aenter__()
        except BaseException:
            parent: AsyncpgDBClient | None = getattr(client, "_parent", None)
            taken = getattr(client, "_connection", None)
            if parent is not None and parent._pool is not None and taken is not None:
                await parent._pool.release(taken)
                if token := getattr(self._inner, "token", None):
                    get_connections().reset(token)
            raise

    async def __aexit__(self, *error: Any) -> None:
        if error[0] is not None:  # what a savepoint has locked ends with it
            _locked.pop(get_connection("default"), None)
        await self._inner.__aexit__(*error)


@asynccontextmanager
async def _embedded(data_dir: Path) -> AsyncIterator[str]:
    server = embedded.running(data_dir)
    url = await asyncio.to_thread(server.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


def _credentials(url: str) -> dict[str, Any]:
    """What asyncpg takes, of a url in the form that libpq defines. What the url leaves out, PG* variables give."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise DatabaseUnavailable("CMS_DATABASE_URL must look like postgresql://user:password@host:5432/database")
    options = dict(parse_qsl(parts.query))
    try:
        port = int(options.pop("port", None) or parts.port or 5432)
    except ValueError:
        raise DatabaseUnavailable("CMS_DATABASE_URL has a port that is no number") from None
    found: dict[str, Any] = {
        "host": options.pop("host", None) or parts.hostname,
        "port": port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or None,
        "timeout": CONNECT_SECONDS,
        "server_settings": {**_SESSION, "application_name": options.pop("application_name", "copydesk")},
    }
    if mode := options.pop("sslmode", None):
        found["ssl"] = _tls(options.pop("sslrootcert"), mode) if "sslrootcert" in options else mode
    if options:
        raise DatabaseUnavailable(f"CMS_DATABASE_URL has options that are not understood: {', '.join(sorted(options))}")
    return found


def _tls(certificates: str, mode: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if certificates == "system" else certificates)
    context.check_hostname = mode == "verify-full"
    return context


def _app(migrations: str) -> dict[str, Any]:
    return {"models": [MODELS], "default_connection": "default", "migrations": migrations}


def _lasting(credentials: dict[str, Any], seconds: int, **session: str) -> dict[str, Any]:
    """Credentials of connections whose statements last so long at most."""
    settings = {**credentials["server_settings"], "statement_timeout": f"{seconds}s", **session}
    return {**credentials, "server_settings": settings}


def _configuration(credentials: dict[str, Any], readers: dict[str, Any] | None = None) -> dict[str, Any]:
    """What Tortoise is told; credentials are what asyncpg takes."""
    connections = {"default": credentials} | ({"reader": readers} if readers else {})
    return {
        "connections": {
            name: {"engine": "tortoise.backends.asyncpg", "credentials": each} for name, each in connections.items()
        },
        "apps": {"cms": _app(MIGRATIONS)},
        "use_tz": True,
        "timezone": "UTC",
    }


async def _check_server(credentials: dict[str, Any]) -> None:
    try:
        connection = await asyncpg.connect(**credentials)
        try:
            number = int(await connection.fetchval("show server_version_num")) // 10_000
            encoding = await connection.fetchval("show server_encoding")
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        where = f"{credentials['host'] or 'this machine'}, port {credentials['port']}"
        reason = str(error) or type(error).__name__
        raise DatabaseUnavailable(f"cannot connect to PostgreSQL on {where}: {reason}") from error
    if number < OLDEST:
        raise DatabaseUnavailable(f"the database server is PostgreSQL {number}: {OLDEST} or newer is needed")
    if encoding != "UTF8":
        raise DatabaseUnavailable(f"the database is encoded in {encoding}: make one with `createdb --encoding=UTF8`")


_POOL_ONLY = {*_POOL, "maxsize"} - {"statement_cache_size", "max_cached_statement_lifetime"}


def _executor(connection: BaseDBAsyncClient, migrations: str) -> MigrationExecutor:
    return MigrationExecutor(connection, {"cms": _app(migrations)})


def _known(executor: MigrationExecutor) -> set[str]:
    executor.loader.load_disk()
    return {key.name for key in executor.loader.disk_migrations}


async def _recorded(connection: BaseDBAsyncClient) -> set[str]:
    if not await connection.execute_query_dict("select where to_regclass('tortoise_migrations') is not null"):
        return set()
    rows = await connection.execute_query_dict("select name from tortoise_migrations where app = 'cms'")
    return {row["name"] for row in rows}


def _refuse_incompatible(unknown: set[str]) -> None:
    if newer := sorted(name for name in unknown if name.endswith(INCOMPATIBLE)):
        raise DatabaseUnavailable(
            f"a newer release has changed the database ({newer[-1]}) so that this one cannot work with it: "
            "install that release, or restore a backup"
        )


# To write a migration: tortoise -c cms.database.TORTOISE makemigrations --name WHAT_IT_DOES
TORTOISE = _configuration({})
