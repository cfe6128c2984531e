from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.errors import Invalid
from cms.importers import bylines, page, printed_dates

FIRST = "The river “Ulve” rose over its banks on Monday,  and the town’s two bridges had to be closed."
SAMPLE = f"""The Daily Sample

SOCIAL MEDIA

18th June 2024 By The Daily Sample Weather

River Rises Over Its Banks as Spring Comes Early

{FIRST}

"We have never seen it so high," said the mayor.

Related Posts
"""


def page_with(line: str, *, headline: str = "River Rises Over Its Banks", sections: tuple[str, ...] = ()) -> page.Page:
    return page.parse(f"The Daily Sample\n\n{line}\n\n{headline}\n\n{FIRST}\n", sections=sections)


def refusal(text: str) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        page.parse(text)
    return refused.value.issues[0].code, refused.value.message


def test_every_part_of_a_page() -> None:
    assert page.parse(SAMPLE) == page.Page(
        site_name="The Daily Sample",
        date=date(2024, 6, 18),
        byline=("The Daily Sample",),
        section="Weather",
        headline="River Rises Over Its Banks as Spring Comes Early",
        paragraphs=(FIRST, '"We have never seen it so high," said the mayor.'),
        related=(),
        furniture=("SOCIAL MEDIA", "Related Posts"),
        unclear=(),
    )


def test_line_ends_blank_lines_and_byte_order_marks_make_no_difference() -> None:
    plain = page.parse(SAMPLE)
    assert page.parse("\ufeff" + SAMPLE.replace("\n", "\r\n")) == plain
    assert page.parse(SAMPLE.replace("\n\n", "\n \t\n\u200b\n\n")) == plain


def test_a_head_without_blank_lines() -> None:
    head = ["The Daily Sample", "SOCIAL MEDIA", "June 18, 2024", "By Jane Doe", "Weather", "River Rises Over Its Banks"]
    read = page.parse("\n".join([*head, "Share this", "", FIRST]))
    assert (read.site_name, read.date, read.byline) == ("The Daily Sample", date(2024, 6, 18), ("Jane Doe",))
    assert (read.section, read.headline, read.paragraphs) == ("Weather", "River Rises Over Its Banks", (FIRST,))
    assert read.unclear == ("“Weather”, the line above the headline, was taken as the section.",)


def test_headline_above_date_and_byline() -> None:
    read = page.parse(
        f"The Daily Sample\n\nRiver Rises Over Its Banks\n\nBy Jane Doe\n\n18 June 2024\n\n{FIRST}\n\nEnd.\n"
    )
    assert (read.headline, read.date, read.byline) == ("River Rises Over Its Banks", date(2024, 6, 18), ("Jane Doe",))
    assert read.paragraphs == (FIRST, "End.")
    assert read.unclear == ("No section was found.",)


def test_a_standfirst_above_the_byline_is_kept_and_reported() -> None:
    standfirst = "What the flood has done, and what the town will do now."
    credits = "By Jane Doe | 18 June 2024 | Weather"
    read = page.parse(f"The Daily Sample\n\nRiver Rises Over Its Banks\n\n{standfirst}\n\n{credits}\n\n{FIRST}\n")
    assert read.paragraphs == (standfirst, FIRST)
    assert read.date == date(2024, 6, 18)
    assert f"“{standfirst}” stands above the date or byline; it was taken as the first paragraph." in read.unclear


def test_short_first_paragraphs_are_text() -> None:
    read = page.parse(f"The Daily Sample\n\n18 June 2024\n\nWar ends\n\nIt is over.\n\n{FIRST}\n")
    assert (read.headline, read.section, read.paragraphs) == ("War ends", None, ("It is over.", FIRST))


def test_a_headline_may_ask() -> None:
    read = page_with("18 June 2024", headline="“We will not go”: is this the end of the road for the old bridge?")
    assert read.headline == "“We will not go”: is this the end of the road for the old bridge?"
    assert read.paragraphs == (FIRST,)


def test_a_headline_is_a_clean_line_and_paragraphs_are_kept_to_the_letter() -> None:
    read = page.parse(
        f"The Daily Sample\n\n18 June 2024\n\nRiver\u200b rises   \u202eover its\u0008 banks\n\n{FIRST}  \n"
    )
    assert read.headline == "River rises over its banks"
    assert read.paragraphs == (FIRST,)


def test_control_characters_in_the_text_are_left_out_and_reported() -> None:
    read = page.parse(SAMPLE.replace("two bridges", "two\u0008 bridges"))
    assert read.paragraphs[0] == FIRST
    assert read.unclear == ("Control characters and characters that could not be read were left out of the text.",)


def test_wrapped_lines_are_joined() -> None:
    wrapped = (
        "The flood came at night, and the town read of it in\nits newspaper, which has since appeared in\nPrint\nonly."
    )
    read = page.parse(SAMPLE.replace("Related Posts", wrapped))
    assert read.paragraphs[2] == wrapped.replace("\n", " ")
    assert page.parse(
        "朝日\n\n2024-06-18\n\n川が春に氾濫し多くの人が避難した\n\n長い段落で、\n続きです。"
    ).paragraphs == ("長い段落で、続きです。",)


def test_unwrapped_lines_without_blank_lines_are_paragraphs() -> None:
    read = page.parse(f"The Daily Sample\n\n18 June 2024\n\nRiver Rises Over Its Banks\n\n{FIRST * 2}\n{FIRST}\n")
    assert read.paragraphs == (FIRST * 2, FIRST)
    assert read.unclear[-1] == "Lines stand together without a blank line; each was taken as a paragraph of its own."


@pytest.mark.parametrize(
    "line",
    [
        "SOCIAL MEDIA",
        "Share this",
        "Share on Facebook",
        "Facebook | Twitter | Print",
        "Facebook Twitter WhatsApp",
        "Tweet",
        "Comments",
        "Advertisement",
        "ADVERTISEMENT",
        "Read more",
        "Read more: Ten rivers and their names",
        "Subscribe",
        "Sign up for our newsletter",
        "Newsletter",
        "3 min read",
        "12 Comments",
        "* * *",
        "© 2024 The Daily Sample. All rights reserved.",
        "The Daily Sample",
        "River Rises Over Its Banks as Spring Comes Early",
    ],
)
def test_furniture_is_no_text(line: str) -> None:
    read = page.parse(SAMPLE.replace("Related Posts", line))
    assert read.paragraphs == page.parse(SAMPLE).paragraphs
    assert read.furniture == ("SOCIAL MEDIA", line)


@pytest.mark.parametrize(
    "line",
    [
        "Print is dead.",
        "Share prices fell.",
        "Comments were not made.",
        "More in the south, less in the north.",
        "X won.",
    ],
)
def test_text_is_no_furniture(line: str) -> None:
    assert page.parse(SAMPLE.replace("Related Posts", line)).paragraphs[-1] == line


@pytest.mark.parametrize("headline", ["Copyright law reform passes", "Sign up for war, say the young", "No comment"])
def test_headlines_that_look_like_furniture(headline: str) -> None:
    assert page_with("18 June 2024 By Jane Doe", headline=headline).headline == headline


def test_related_headlines() -> None:
    tail = (
        "Related Posts\n\nTen Rivers and Their Names\n\n17 June 2024\n\nWhere Is the Bridge?\nRead more\n\nIt was …\n"
    )
    read = page.parse(SAMPLE.replace("Related Posts", tail))
    assert read.related == ("Ten Rivers and Their Names", "Where Is the Bridge?")
    assert read.paragraphs == page.parse(SAMPLE).paragraphs
    assert read.date == date(2024, 6, 18)


def test_text_below_related_headlines_is_reported() -> None:
    last = "The town has asked the county for help, and the county has asked the country, said the mayor."
    read = page.parse(SAMPLE.replace("Related Posts", f"Related:\n\nTen Rivers\n\n{last}\n\nShort end."))
    assert read.related == ("Ten Rivers",)
    assert read.paragraphs[2:] == (last, "Short end.")
    assert read.unclear == ("The text goes on below “Related:”; what follows was taken as part of the story.",)


def test_words_of_readers_are_left_out_and_reported() -> None:
    read = page.parse(
        SAMPLE.replace("Related Posts", "2 comments\n\nI have lived here all my life and never saw this.")
    )
    assert len(read.paragraphs) == 2
    assert read.furniture[-1] == "I have lived here all my life and never saw this."
    assert read.unclear == ("What stands below “2 comments” was left out.",)


@pytest.mark.parametrize(
    "line",
    [
        "18th June 2024",
        "18 June 2024",
        "the 18th of June, 2024",
        "18-Jun-2024",
        "June 18, 2024",
        "June 18th 2024",
        "Jun. 18, 2024, 9:05 p.m. ET",
        "Tuesday, 18 June 2024",
        "Tue 18 Jun 2024 10:30",
        "10:30, 18 June 2024",
        "Published: 18 June 2024 | Updated: 19 June 2024",
        "Posted on June 18, 2024 at 10:32 am",
        "2024-06-18",
        "2024-06-18T10:30:00+02:00",
        "2024/06/18",
        "18/06/2024",
        "06/18/2024",
        "18.06.2024",
        "18. Juni 2024",
        "Dienstag, 18. Juni 2024",
        "mardi 18 juin 2024",
        "martes, 18 de junio de 2024",
    ],
)
def test_dates(line: str) -> None:
    read = page_with(line)
    assert read.date == date(2024, 6, 18)
    assert read.unclear == ("No byline was found.", "No section was found.")


def test_months_with_accents() -> None:
    months = ["1er février 2024", "3 août 2024", "5. März 2024", "24 décembre 2024", "Sept. 3, 2024", "May 1, 2024"]
    found = [printed_dates.find(text) for text in months]
    assert [(each.day.month, each.day.day) for each in found if each and each.day] == [
        (2, 1), (8, 3), (3, 5), (12, 24), (9, 3), (5, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "doubt"),
    [
        ("03/04/2024", "The date “03/04/2024” can be two days, with the day or the month first, so no date was taken."),
        ("03.04.2024", "The date “03.04.2024” can be two days, with the day or the month first, so no date was taken."),
        ("18/06/24", "The date “18/06/24” gives no full year, so no date was taken."),
        ("18 June 24", "The date “18 June 24” gives its year in two digits, so no date was taken."),
        ("18 June", "The date “18 June” names no year, so no date was taken."),
        ("June 2024", "The date “June 2024” names no day, so no date was taken."),
        ("31 June 2024", "“31 June 2024” is not a day of the calendar, so no date was taken."),
        ("2024-13-01", "“2024-13-01” is not a day of the calendar, so no date was taken."),
        ("2 hours ago", "“2 hours ago” names no day, so no date was taken."),
        (
            "Updated 18 June 2024",
            "“Updated 18 June 2024” is the day of a change; that of publication was not taken from it.",
        ),
    ],
)
def test_a_date_that_is_not_plain_is_no_date(line: str, doubt: str) -> None:
    read = page_with(line)
    assert read.date is None
    assert read.unclear[0] == doubt
    assert read.headline == "River Rises Over Its Banks"


def test_a_wrong_day_of_the_week_is_reported() -> None:
    read = page_with("Monday, 18 June 2024")
    assert read.date == date(2024, 6, 18)
    assert read.unclear[0] == "“Monday, 18 June 2024” was taken as the date, though its day of the week is another."


def test_the_first_of_several_dates_is_kept_and_reported() -> None:
    read = page_with("18 June 2024\n\n19 June 2024")
    assert read.date == date(2024, 6, 18)
    assert read.unclear[0] == "The page shows several dates; the first one was kept."


def test_a_plain_date_settles_one_that_is_not() -> None:
    read = page_with("03/04/2024\n\n3 April 2024")
    assert (read.date, read.unclear[0]) == (date(2024, 4, 3), "No byline was found.")


def test_a_headline_with_a_date_is_no_date_line() -> None:
    headline = "18 June 2024: the day that the town will never forget"
    assert page_with("By Jane Doe", headline=headline).headline == headline


@pytest.mark.parametrize(
    ("line", "names", "section"),
    [
        ("18th June 2024 By The Daily Sample Weather", ("The Daily Sample",), "Weather"),
        ("18th June 2024 By THE DAILY SAMPLE", ("THE DAILY SAMPLE",), None),
        ("Weather | 18 June 2024 | By Jane Doe", ("Jane Doe",), "Weather"),
        ("Weather | By Jane Doe | 18 June 2024", ("Jane Doe",), "Weather"),
        ("18 June 2024 | Weather | By Jane Doe", ("Jane Doe",), "Weather"),
        ("18 June 2024 Weather by Jane Doe", ("Jane Doe",), "Weather"),
        ("Posted by Jane Doe on 18 June 2024", ("Jane Doe",), None),
        ("By Jane Doe and John Smith | Weather", ("Jane Doe", "John Smith"), "Weather"),
        ("By Jane Doe, John Smith, and Ann de la Cruz", ("Jane Doe", "John Smith", "Ann de la Cruz"), None),
        ("By Martin King, Jr.", ("Martin King, Jr.",), None),
        ("By Jane Doe, Reuters", ("Jane Doe", "Reuters"), None),
        ("Written by: Jane Doe", ("Jane Doe",), None),
        ("BY JANE DOE", ("JANE DOE",), None),
        ("18 June 2024 by admin", ("admin",), None),
        ("By Jane Doe\n\nFiled under: Weather", ("Jane Doe",), "Weather"),
        ("Home > Weather > Rivers\n\nBy Jane Doe", ("Jane Doe",), "Weather"),
    ],
)
def test_bylines_and_sections(line: str, names: tuple[str, ...], section: str | None) -> None:
    read = page_with(line)
    assert (read.byline, read.section) == (names, section)
    assert read.headline == "River Rises Over Its Banks"


def test_a_byline_that_may_end_in_a_section_is_kept_whole_and_reported() -> None:
    read = page_with("18 June 2024 By Jane Doe Weather")
    assert (read.byline, read.section) == (("Jane Doe Weather",), None)
    assert read.unclear == ("No section was found; perhaps the byline “Jane Doe Weather” ends in one.",)


def test_a_known_section_shows_where_the_byline_ends() -> None:
    read = page_with("18 June 2024 By Jane Doe World News", sections=("News", "World News"))
    assert (read.byline, read.section, read.unclear) == (("Jane Doe",), "World News", ())
    assert page_with("18 June 2024 by Jane Doe in Weather", sections=("Weather",)).section == "Weather"


def test_a_place_behind_the_byline_is_left_out_and_reported() -> None:
    read = page_with("By Jane Doe in Oslo")
    assert (read.byline, read.section) == (("Jane Doe",), None)
    assert read.unclear[0] == "“in Oslo”, behind the byline, may be a place or a section; it was left out."


def test_a_headline_that_begins_with_by_is_no_byline() -> None:
    assert page_with("18 June 2024", headline="By the numbers: how the town voted").byline == ()


@pytest.mark.parametrize(
    ("byline", "names", "unclear"),
    [
        ("Marks and Spencer", ("Marks and Spencer",), 1),
        ("Department of Trade and Industry", ("Department of Trade and Industry",), 1),
        ("Jane Doe, Political Editor", ("Jane Doe",), 1),
        ("Political Editor and Jane Doe", ("Political Editor and Jane Doe",), 1),
        ("Food, Drink and Co", ("Food, Drink and Co",), 1),
        ("Salt and Pepper", ("Salt and Pepper",), 0),
        ("Reuters and AP", ("Reuters", "AP"), 0),
        ("Jane Doe & Salt and Pepper", ("Jane Doe & Salt and Pepper",), 1),
    ],
)
def test_names_are_taken_apart_only_when_sure(byline: str, names: tuple[str, ...], unclear: int) -> None:
    found, doubts = bylines.split(byline, "Salt and Pepper")
    assert (found, len(doubts)) == (names, unclear)


def test_bad_pages_are_refused_in_words() -> None:
    assert refusal(" \n\ufeff\n") == ("EMPTY", "The file is empty.")
    assert refusal("%PDF\x00\x01") == ("NOT_TEXT", "The file is not plain text.")
    assert refusal("\x01\x02\x03 abc")[0] == "NOT_TEXT"
    assert refusal("The Daily Sample\n\n18 June 2024\n")[0] == "NO_HEADLINE"
    assert refusal(f"The Daily Sample\n\n18 June 2024\n\n{FIRST * 3}\n\nA subhead\n\n{FIRST * 3}")[0] == "NO_HEADLINE"
    assert refusal("The Daily Sample\n\n18 June 2024\n\nRiver Rises Over Its Banks\n\nShare this\n") == (
        "NO_PARAGRAPHS",
        "No text was found below the headline.",
    )


def test_a_page_without_its_site_is_reported() -> None:
    read = page.parse(f"18 June 2024\n\nBy Jane Doe\n\nRiver Rises Over Its Banks\n\n{FIRST}\n")
    assert (read.site_name, read.headline) == ("", "River Rises Over Its Banks")
    assert "The page does not begin with the name of its site." in read.unclear


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_decode(encoding: str) -> None:
    assert page.decode("Großstadt’s “é”".encode(encoding)) == "Großstadt’s “é”"


@pytest.mark.parametrize(
    ("data", "code"),
    [("Müller".encode("latin-1"), "ENCODING"), (b"\xff\xfea", "ENCODING"), (b"a" * 2_000_001, "TOO_LARGE")],
)
def test_decode_refuses(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        page.decode(data)
    assert refused.value.issues[0].code == code


def test_the_import_key_is_that_of_site_day_and_headline() -> None:
    key = page.import_key(page.parse(SAMPLE))
    assert key == page.import_key(page.parse(SAMPLE.replace("SOCIAL MEDIA", "Share this").replace("Related", "More")))
    assert key == page.import_key(page.parse(SAMPLE.replace("The Daily", "THE DAILY").replace("the mayor", "a woman")))
    assert key != page.import_key(page.parse(SAMPLE.replace("18th", "19th")))
    assert key != page.import_key(page.parse(SAMPLE.replace("Spring", "Summer")))
    assert key != page.import_key(page.parse(SAMPLE.replace("The Daily Sample", "The Weekly Sample")))
    assert len(key) == 32


def test_without_a_day_the_first_paragraph_tells_stories_apart() -> None:
    one, other = (SAMPLE.replace("18th June 2024 ", "").replace("Monday", day) for day in ("Tuesday", "Friday"))
    assert page.import_key(page.parse(one)) != page.import_key(page.parse(other))


LINES = st.sampled_from(
    [*SAMPLE.splitlines(), "3 comments", "By Jane Doe", "03/04/2024", "Weather", "Print", "¶", "«", "|"]
)


@given(st.text() | st.lists(LINES | st.text(max_size=30)).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = page.parse(text)
    except Invalid:
        return
    assert read.headline and all(read.paragraphs) and page.import_key(read)
