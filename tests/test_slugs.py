import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cms import slugs

ANY_TEXT = (
    st.text()
    | st.text(st.characters(categories=["L", "M", "Cf", "S", "Zs", "P"]))
    | st.text("aÉß+#&%@'’-. \u200d\u200c")
)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Putin Pledges Support for North Korea", "putin-pledges-support-for-north-korea"),
        ("🎉🎉", "party-popper"),
        ("🎉 Election night", "election-night"),
        ("👍🏽", "thumbs-up-sign"),
        ("👨\u200d👩\u200d👧", "man-woman-girl"),
        ("🇫🇷🇩🇪", "fr-de"),
        ("عاصفة", "عاصفة"),
        ("201\u0008 election", "201-election"),
        ("  —  ", "story"),
        ("", "story"),
        ("...", "story"),
        ("\u3164\u200b\u202e", "story"),
        ("\ud83c", "story"),
        ("../../x", "x"),
        ("C:\\con\\.env", "c-con-env"),
        ("a" * 250, "a" * 96),
        ("new", "new"),
    ],
)
def test_every_title_has_a_slug(title: str, slug: str) -> None:
    assert slugs.slugify(title, "story") == slug


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Crème brûlée", "creme-brulee"),
        ("Straße, ŁÓDŹ, İstanbul, Øre", "strasse-lodz-istanbul-ore"),
        ("Đà Nẵng", "da-nang"),
        ("sie\u0300cle", "siecle"),
        ("ＦＵＬＬ ﬁnal", "full-final"),
        ("ΛΌΓΟΣ", "λόγος"),
        ("Новый Ёжик", "новый-ёжик"),
        ("हिन्दी समाचार", "हिन्दी-समाचार"),
        ("ภาษาไทย", "ภาษาไทย"),
        ("日本語・テスト", "日本語-テスト"),
        ("한국어 뉴스", "한국어-뉴스"),
        ("می\u200cخواهم", "میخواهم"),
        ("٣ أيام", "٣-أيام"),
        ("Hawaiʻi", "hawaii"),
    ],
)
def test_latin_loses_its_accents_and_other_scripts_stay(title: str, slug: str) -> None:
    assert slugs.slugify(title, "story") == slug


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("C", "c"),
        ("C++", "c-plus-plus"),
        ("C#", "c-sharp"),
        ("Canal+", "canal-plus"),
        ("+++ Eilmeldung +++", "eilmeldung"),
        ("#MeToo", "metoo"),
        ("AT&T", "at-and-t"),
        ("Q & A", "q-and-a"),
        ("50 % more", "50-percent-more"),
        ("desk@example.org", "desk-at-example-org"),
        ("@reporter", "reporter"),
    ],
)
def test_symbols_that_tell_names_apart_are_spelled_out(title: str, slug: str) -> None:
    assert slugs.slugify(title, "story") == slug


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Putin’s visit", "putins-visit"),
        ("Don't", "dont"),
        ("L’école d'été", "l-ecole-d-ete"),
        ("O'Brien", "o-brien"),
        ("Кам'янець", "камянець"),
    ],
)
def test_apostrophes(title: str, slug: str) -> None:
    assert slugs.slugify(title, "story") == slug


def test_a_long_slug_is_cut_between_words() -> None:
    assert slugs.slugify("word " * 40, "story") == "-".join(["word"] * 19)
    assert slugs.slugify("ab " + "c" * 200, "story") == "ab-" + "c" * 93


def test_a_cut_inside_a_word_keeps_letter_and_vowel_sign_together() -> None:
    assert slugs.slugify("क" * 95 + "कि" + "क" * 9, "story") == "क" * 95


@given(ANY_TEXT)
@example("\u0345ΑΣ'")
@example("ŉ\u0301")
def test_slugs_are_never_empty_safe_and_stable(title: str) -> None:
    slug = slugs.slugify(title, "story")
    assert 0 < len(slug) <= 96
    assert all(c == "-" or unicodedata.category(c)[0] in "LNM" for c in slug)
    assert "" not in slug.split("-")
    assert unicodedata.normalize("NFKC", slug) == slug == slug.lower()
    assert slugs.slugify(slug, "other") == slug
    assert slugs.check_slug(slug) is None


@pytest.mark.parametrize(
    ("slug", "problem"),
    [
        ("a-story", None),
        ("عاصفة", None),
        ("2024", None),
        ("", "A slug cannot be empty."),
        ("a" * 97, "A slug has at most 96 characters; this one has 97."),
        (
            "Été 2024",
            "A slug is made of lower-case letters and digits, with single hyphens between words; “ete-2024” would do.",
        ),
        ("a--b", "A slug is made of lower-case letters and digits, with single hyphens between words; “a-b” would do."),
        ("..", "A slug is made of lower-case letters and digits, with single hyphens between words."),
        (
            "a\u200bb",
            "A slug is made of lower-case letters and digits, with single hyphens between words; “ab” would do.",
        ),
        ("c\n", "A slug is made of lower-case letters and digits, with single hyphens between words; “c” would do."),
    ],
)
def test_a_given_slug_is_used_as_it_is_or_refused(slug: str, problem: str | None) -> None:
    assert slugs.check_slug(slug) == problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("201\u0008 election", "201 election"),
        ("a\x00b\x7f\x9fc", "abc"),
        (" a\r\n\tb\u2028c ", "a b c"),
        ("\ufeffa\u200bb\u00adc\u2060d", "abcd"),
        ("\u202eevil\u202c \u2066x\u2069\u200f", "evil x"),
        ("sie\u0300cle", "siècle"),
        ("« oui\u00a0»", "« oui\u00a0»"),
        ("a \u00a0 b", "a b"),
        ("速報\u3000地震", "速報\u3000地震"),
        ("\ud83cx\uffff", "x"),
        ("Russia’s “visit” – day 2", "Russia’s “visit” – day 2"),
        ("\u3164", ""),
    ],
)
def test_clean_line(text: str, line: str) -> None:
    assert slugs.clean_line(text) == line


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "ه\u200d.ش",
        "ක්\u200dෂ",
        "അവന്\u200d വന്നു",
        "👨\u200d👩\u200d👧 family",
        "❤\ufe0f\u200d🔥",
        "🙂\u200d↔\ufe0f",
        "👍🏽 1\ufe0f\u20e3",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "辻\U000e0100さん",
        "ᠨ\u180e\u1820",
    ],
)
def test_joiners_and_selectors_that_carry_meaning_stay(text: str) -> None:
    assert slugs.clean_line(text) == text


def test_joiners_selectors_and_tags_that_only_hide_go() -> None:
    assert slugs.clean_line("a\u200db\u200c") == "ab"
    assert slugs.clean_line("a\ufe0f\ufe01\ufe02") == "a\ufe0f"
    assert slugs.clean_line("x\U000e0068\U000e0069") == "x"
    assert slugs.clean_line("\ufe0f a") == "a"


@given(ANY_TEXT)
def test_a_clean_line_stays_as_it_is_and_can_be_stored(text: str) -> None:
    line = slugs.clean_line(text)
    line.encode()
    assert slugs.clean_line(line) == line
    assert "\n" not in line and "\x00" not in line


@pytest.mark.parametrize(
    "spellings",
    [
        ["siècle", "sie\u0300cle", "Siècle", " siècle ", "SIÈCLE\u200b"],
        ["The  Global\u00a0Heroes", "the global heroes"],
        ["O’Brien", "O'Brien"],
        ["Strauß", "STRAUSS"],
        ["❤\ufe0f", "❤"],
        ["℡", "tel"],
    ],
)
def test_spellings_of_one_name(spellings: list[str]) -> None:
    assert len({slugs.identity(name) for name in spellings}) == 1


@pytest.mark.parametrize("names", [["C", "C++", "C#"], ["Ecole", "École"], ["re-sign", "resign"], ["Ann", "Anna"]])
def test_names_that_stay_apart(names: list[str]) -> None:
    assert len({slugs.identity(name) for name in names}) == len(names)


@given(ANY_TEXT)
@example("\u0345ᾳ")
def test_identity_is_stable(name: str) -> None:
    key = slugs.identity(name)
    assert slugs.identity(key) == key == slugs.identity(slugs.clean_line(name)) == slugs.identity(f" {name}\u200b ")
