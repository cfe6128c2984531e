from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from tortoise import connections

from cms import accounts, articles, ids, taxonomy, workflow
from cms.models import Article, ArticleStatus, Event, Role, Site, Token, TokenScope, User
from cms.permissions import SYSTEM
from cms.workflow import Transition

PASSWORD = "correct horse battery"
PAGE = """The Sandpiper Post

18th June 2024 By Jane Doe

A Lighthouse Is Painted Blue

The lighthouse at the end of the long mole has been painted blue, and the ships have not noticed yet, its keeper says.
"""


async def create_user(name: str = "mara", role: Role = Role.EDITOR) -> User:
    return await accounts.create_user(SYSTEM, email=f"{name}@post.example", name=name, role=role, password=None)


def cms(*arguments: str, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cms.cli", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, env=environment, input=given, capture_output=True, text=True, timeout=120, check=False
    )


def run(url: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    done = cms(*arguments, given=given, CMS_DATABASE_URL=url)
    assert done.returncode == 0 or (done.stdout == "" and done.stderr.count("\n") == 1)
    return done


@pytest.mark.parametrize(
    "command",
    [
        ["user", "create"],
        ["token", "create"],
        ["import", "page"],
        ["reindex"],
        ["recount"],
        ["demo"],
        ["user"],
        ["token"],
        ["import"],
    ],
)
def test_help_has_an_example(command: list[str]) -> None:
    done = cms(*command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["user", "create", "a@b.example", "--name", "A"], "--role"),
        (["user", "create", "a@b.example", "--name", "A", "--role", "BOSS"], "'BOSS' is not one of 'CONTRIBUTOR'"),
        (["user", "create", "a@b.example", "--name", "A", "--role", "EDITOR"], "--password-stdin"),
        (["token", "create", "t"], "give --scope, or --role"),
        (["token", "create", "t", "--scope", "READ", "--role", "EDITOR"], "give --scope, or --role"),
        (["token", "create", "t", "--scope", "WRITE"], "'WRITE' is not one of 'READ', 'PREVIEW'"),
        (["import", "page", "nowhere.txt"], "nowhere.txt"),
        (["import", "book", "x"], "No such command"),
    ],
)
def test_a_wrong_call_is_one_line(arguments: list[str], words: str) -> None:
    done = cms(*arguments, given="", CMS_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("cms: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_user_is_made_with_a_password_from_standard_input(db: None, database_url: str) -> None:
    arguments = ("user", "create", " Mara@Post.example ", "--name", "Mara", "--role", "CHIEF", "--password-stdin")
    done = run(database_url, *arguments, given=PASSWORD + "\n")
    user = await User.get()
    assert done.stdout == ids.encode("User", user.id) + "\n"
    assert (user.email, user.name, user.role) == ("mara@post.example", "Mara", Role.CHIEF)
    assert user.password_hash is not None
    assert PASSWORD not in user.password_hash
    again = run(database_url, *arguments, given=PASSWORD + "\n")
    assert (again.returncode, await User.all().count()) == (1, 1)
    assert again.stderr == "cms: There is a user with the address mara@post.example already.\n"


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [("mara@post.example", "short", "at least 12 characters"), ("mara", PASSWORD, "“mara” is not an e-mail address")],
)
async def test_a_user_that_is_refused_is_not_made(
    db: None, database_url: str, email: str, password: str, words: str
) -> None:
    arguments = ("user", "create", email, "--name", "Mara", "--role", "CHIEF", "--password-stdin")
    done = run(database_url, *arguments, given=password)
    assert done.returncode == 1
    assert words in done.stderr
    assert await User.all().count() == await Event.all().count() == 0


def type_into(terminal: int, child: int, prompt: str, text: str) -> str:
    """Wait for the prompt and for the echo to be off, type a line; what the terminal has shown."""
    shown = ""
    while prompt not in shown:
        shown += os.read(terminal, 1000).decode()
    deadline = time.monotonic() + 60
    while termios.tcgetattr(child)[3] & termios.ECHO:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.write(terminal, f"{text}\n".encode())
    return shown


async def test_a_password_is_asked_for_twice_and_not_shown(db: None, database_url: str) -> None:
    command = [sys.executable, "-m", "cms.cli", "user", "create", "mara@post.example", "--name", "Mara"]
    terminal, child = os.openpty()
    asking = subprocess.Popen(
        [*command, "--role", "CHIEF"],
        env={**os.environ, "CMS_DATABASE_URL": database_url},
        stdin=child,
        stdout=subprocess.PIPE,
        stderr=child,
        start_new_session=True,  # else it would ask on the terminal that the tests run in
        text=True,
    )
    with asking:
        shown = type_into(terminal, child, "Password", PASSWORD) + type_into(terminal, child, "Once more", PASSWORD)
        printed, _ = asking.communicate(timeout=60)
    os.close(child)
    os.close(terminal)
    assert PASSWORD not in shown
    user = await User.get()
    assert (user.email, printed) == ("mara@post.example", ids.encode("User", user.id) + "\n")
    assert user.password_hash is not None
    assert await accounts.verify_password(user.password_hash, PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "role", "scopes"),
    [
        (["--scope", "READ"], None, {TokenScope.READ}),
        (["--scope", "PREVIEW"], None, {TokenScope.PREVIEW}),
        (["--role", "CONTRIBUTOR"], Role.CONTRIBUTOR, set(TokenScope)),
        (["--user", "MARA@post.example"], Role.EDITOR, set(TokenScope)),
        (["--user", "mara@post.example", "--role", "CONTRIBUTOR"], Role.CONTRIBUTOR, set(TokenScope)),
    ],
)
async def test_a_token_alone_is_printed(
    db: None, database_url: str, arguments: list[str], role: Role | None, scopes: set[TokenScope]
) -> None:
    mara = await create_user()
    done = run(database_url, "token", "create", "my script", *arguments)
    assert done.stderr == ""
    actor = await accounts.authenticate(done.stdout.removesuffix("\n"))
    assert (actor.role, set(actor.scopes)) == (role, scopes)
    assert (actor.user_id == mara.id) == ("--user" in arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody@post.example"], "There is no active user with the address nobody@post.example."),
        (["--user", "mara@post.example", "--role", "ADMIN"], "mara is EDITOR: the token cannot be more."),
        (["--user", "gone@post.example"], "There is no active user with the address gone@post.example."),
    ],
)
async def test_a_token_that_is_refused_is_not_made(
    db: None, database_url: str, arguments: list[str], words: str
) -> None:
    await create_user()
    await User.filter(id=(await create_user("gone")).id).update(is_active=False)
    done = run(database_url, "token", "create", "t", *arguments)
    assert (done.returncode, done.stderr) == (1, f"cms: {words}\n")
    assert await Token.all().count() == 0


async def test_a_page_is_imported_once(db: None, database_url: str, tmp_path: Path) -> None:
    cora = await create_user("cora", Role.CONTRIBUTOR)
    file = tmp_path / "page.txt"
    file.write_text(PAGE)
    first = run(database_url, "import", "page", str(file), "--owner", "cora@post.example")
    story = await Article.get()
    assert first.stdout == f"{ids.encode('Article', story.id)} /a-lighthouse-is-painted-blue DRAFT\n"
    assert first.stderr.startswith("No section was found")
    assert first.stderr.count("\n") == 1
    assert story.owner_id == cora.id
    assert (await Site.get()).name == "Newsroom"
    second = run(database_url, "import", "page", "-", "--site", "--publish", given=PAGE)
    assert second.stdout == f"{ids.encode('Article', story.id)} /a-lighthouse-is-painted-blue PUBLISHED\n"
    assert second.stderr.endswith("The page was imported before: this is its story.\n")
    assert (await Site.get()).name == "The Sandpiper Post"
    assert (await Article.get()).status is ArticleStatus.PUBLISHED


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("", [], "The file is empty."),
        ("Only a name", [], "No headline was found"),
        ("x" * 2_000_001, [], "larger than 2,000,000 bytes"),
        (PAGE, ["--owner", "nobody@post.example"], "There is no active user with the address nobody@post.example."),
        (PAGE, ["--owner", "nobody"], "“nobody” is not an e-mail address."),
    ],
)
async def test_a_page_that_is_refused_makes_nothing(
    db: None, database_url: str, text: str, arguments: list[str], words: str
) -> None:
    done = run(database_url, "import", "page", "-", "--site", *arguments, given=text)
    assert done.returncode == 1
    assert words in done.stderr
    assert await Article.all().count() == await Event.all().count() == 0


async def test_reindex_makes_the_derived_tables_again(db: None, database_url: str) -> None:
    section = await taxonomy.create_section(SYSTEM, name="Conflict")
    story = await articles.create(SYSTEM, {"headline": "One", "section_id": section.id, "tag_names": ["Peace"]})
    await workflow.transition(SYSTEM, story.article_id, Transition.PUBLISH)
    client = connections.get("default")
    rows = (
        "select 'live', term_id, article_id from live_term union all select 'head', term_id, article_id from head_term"
    )
    before = sorted(map(tuple, (await client.execute_query(rows))[1]))
    assert len(before) == 4
    await client.execute_query("delete from live_term")
    await client.execute_query("update head_term set term_id = article_id where term_id = $1", [section.id])
    done = run(database_url, "reindex")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(map(tuple, (await client.execute_query(rows))[1])) == before


async def test_R27_recount_says_what_was_counted_wrongly_and_puts_it_right(db: None, database_url: str) -> None:
    section = await taxonomy.create_section(SYSTEM, name="World")
    for n in range(2):
        story = {"headline": f"Conflict {n}", "section_id": section.id, "tag_names": ["Peace"]}
        head = await articles.create(SYSTEM, story)
        await workflow.transition(SYSTEM, head.article_id, Transition.PUBLISH)
    client = connections.get("default")

    async def kept() -> list[tuple[str, int]]:
        counts = "select term_id::text as what, n from term_count union all select word, stories from live_word"
        listed = "select term_id::text, count(*) from live_term group by 1"
        return [tuple(row) for row in (await client.execute_query(f"{counts} union all {listed} order by 1, 2"))[1]]

    before = await kept()
    done = run(database_url, "recount")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "0 were wrong\n")
    assert await kept() == before
    for change in (
        "update term_count set n = 7 where term_id = '00000000-0000-0000-0000-000000000000'",
        "delete from live_term where term_id = (select id from tag)",  # and so its count
        "update term_count set n = 1 where term_id = (select id from section)",
        "update live_word set stories = 5 where word = 'peace'",
        "insert into live_word (word, stories) values ('nowhere', 1)",
        "delete from live_word where word = 'conflict'",
    ):
        await client.execute_query(change)
    done = run(database_url, "recount")
    assert (done.returncode, done.stderr) == (0, "6 were wrong\n")
    assert done.stdout.splitlines() == [
        "stories\t7\t2",
        "stories under Peace\t0\t2",
        "stories under World\t1\t2",
        "stories with the word conflict\t0\t2",
        "stories with the word nowhere\t1\t0",
        "stories with the word peace\t5\t2",
    ]
    assert await kept() == before
