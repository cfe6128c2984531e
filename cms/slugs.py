"""Text of one line: slugs for addresses, clean titles, and the key under which two spellings of a name are one."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 96


def slugify(text: str, fallback: str) -> str:
    """A slug of at most 96 characters: words of lower-case letters and digits, joined by hyphens.

    Latin letters lose their accents (é→e, ß→ss); other scripts stay as they are. A title without letters is named by
    its symbols ("🎉" is party-popper), and one that has none gets the fallback, which must be a slug itself.
    """
    visible = unicodedata.normalize("NFKC", _INVISIBLE.sub("", clean_line(text)))
    return _cut("-".join(_words(visible) or _symbol_names(visible))) or fallback


def check_slug(text: str) -> str | None:
    """What is wrong with a slug that somebody typed, in words; None when it can be used."""
    if not text:
        return "A slug cannot be empty."
    if len(text) > MAX_LENGTH:
        return f"A slug has at most {MAX_LENGTH} characters; this one has {len(text)}."
    usable = slugify(text, "")
    if usable == text:
        return None
    advice = f"; “{usable}” would do" if usable else ""
    return f"A slug is made of lower-case letters and digits, with single hyphens between words{advice}."


def clean_line(text: str) -> str:
    """Plain text for a field of one line: no control, bidi or zero-width characters, NFC, white space collapsed.

    What carries meaning stays: joiners inside Persian or Indic words and emoji, variation selectors behind the
    character that they choose, and a single no-break or ideographic space (French and Japanese typography).
    """
    text = unicodedata.normalize("NFC", _DROPPED.sub("", text))
    text = _TAG_CHARACTERS.sub(_first_group, text)
    text = _LOOSE_SELECTOR.sub("", text)
    text = _JOINER.sub(_first_group, text)
    return unicodedata.normalize("NFC", _WHITE_SPACE.sub(_one_space, text)).strip()


def without_invisible(text: str) -> str:
    """A text without the characters that nobody sees: joiners, selectors, soft hyphens and the like."""
    return _INVISIBLE.sub("", text)


def identity(name: str) -> str:
    """The key under which two spellings of a name are one: "Siècle" and "siècle" are, "Ecole" and "École" are not."""
    text = unicodedata.normalize("NFD", _INVISIBLE.sub("", clean_line(name)))
    # Twice, as Unicode's toNFKC_Casefold: compatibility forms come apart into capitals (℡ into TEL).
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.translate(_TYPOGRAPHY).split())


# Unicode's Default_Ignorable_Code_Point and interlinear marks, less what clean_line judges by its neighbours.
_IGNORABLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e00ff\U000e01f0-\U000e0fff"
)
_CONTROLS = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_NEVER_TEXT = r"\ud800-\udfff\ufdd0-\ufdef" + "".join(f"\\U{p:04x}fffe\\U{p:04x}ffff" for p in range(17))
_SELECTORS = r"\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINERS = r"\u200c\u200d"
_DROPPED = re.compile(f"[{_IGNORABLE}{_CONTROLS}{_NEVER_TEXT}]")
_INVISIBLE = re.compile(rf"[{_IGNORABLE}{_JOINERS}{_SELECTORS}\u180b-\u180f\U000e0000-\U000e007f]")

# They spell the flags of England, Scotland and Wales; anywhere else they smuggle text past the eye.
_TAG_CHARACTERS = re.compile(
    r"(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f)|[\U000e0000-\U000e007f]"
)
# One selector per character: a row of them is hidden data. The last set belongs to Mongolian letters.
_LOOSE_SELECTOR = re.compile(
    rf"(?:^|(?<=[\s{_SELECTORS}{_JOINERS}]))[{_SELECTORS}]|(?<![\u1820-\u18aa])[\u180b-\u180f]"
)
# Arabic, Indic and the other scripts where a joiner changes how a word is written.
_JOINING = (
    r"\u0600-\u109f\u1700-\u18af\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f"
)
_EMOJI = r"\u2190-\u2bff\U0001f000-\U0001faff"
_JOINER = re.compile(
    rf"((?<=[{_JOINING}])(?:\u200d|\u200c(?=[{_JOINING}]))|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}]))|[{_JOINERS}]"
)
_WHITE_SPACE = re.compile(r"\s+")

_TYPOGRAPHY = str.maketrans({"’": "'", "ʼ": "'", "‐": "-"})


def _first_group(match: re.Match[str]) -> str:
    return match[1] or ""


def _one_space(match: re.Match[str]) -> str:
    run = match[0]
    return run if len(run) == 1 and unicodedata.category(run) == "Zs" else " "


# Latin letters that Unicode does not take apart into a plain letter and an accent.
PLAIN_LETTERS = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ŋ": "ng", "ø": "o", "ɔ": "o", "ł": "l", "đ": "d", "ð": "d",
        "ɖ": "d", "ɗ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ɨ": "i", "ȷ": "j", "ĸ": "k", "ƙ": "k", "ƒ": "f", "ɓ": "b",
        "ƴ": "y", "ə": "e", "ǝ": "e", "ɛ": "e", "ɲ": "n", "ɣ": "g", "ʉ": "u", "ʋ": "v",
        # Letters to Unicode, apostrophes to the eye (Hawaiʻi).
        "ʹ": "", "ʻ": "", "ʼ": "'", "ʽ": "", "ʾ": "", "ʿ": "", "ˈ": "",
    }
)  # fmt: skip

# Symbols that tell names apart (C, C++, C#; Canal, Canal+), but not a hashtag or a row of ornaments.
_SPELLED = (
    (re.compile(r"(?<=[^\W_])\++"), lambda match: " plus" * len(match[0]) + " "),
    (re.compile(r"(?<=[^\W_])[#♯](?!\w)"), lambda match: " sharp "),
    (re.compile(r"&"), lambda match: " and "),
    (re.compile(r"(?<=\d)\s?%"), lambda match: " percent "),
    (re.compile(r"(?<=\w)@(?=\w)"), lambda match: " at "),
)
# Within a word: an English ending (Putin's), and any apostrophe of a script other than Latin (Кам'янець).
_APOSTROPHE = re.compile(r"['’](?=(?:s|t|d|m|re|ve|ll)\b)|(?<=[^\W\d_a-z])['’](?=\w)")


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFD", text.lower()).translate(PLAIN_LETTERS)
    text = _APOSTROPHE.sub("", unicodedata.normalize("NFC", _without_latin_accents(text)))
    for symbol, words in _SPELLED:
        text = symbol.sub(words, text)
    return "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text).split()


def _without_latin_accents(text: str) -> str:
    """Drops the marks on a Latin letter, a digit or nothing; elsewhere (Hindi, Thai) they are part of the spelling."""
    kept: list[str] = []
    base = ""
    for c in text:
        kind = unicodedata.category(c)
        if kind[0] != "M":
            base = c if kind[0] in "LN" else ""
        elif base.isascii() or kind == "Me":
            continue
        kept.append(c)
    return "".join(kept)


_REGIONAL_INDICATORS = {0x1F1E6 + i: chr(ord("a") + i) for i in range(26)}
_SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def _symbol_names(text: str) -> list[str]:
    """The words for a text of symbols alone, each symbol once; punctuation has no name worth an address."""
    tokens = re.findall(r"[a-z]{1,2}|[^a-z]", text.translate(_REGIONAL_INDICATORS), re.DOTALL)
    names = (token if token.isalpha() else _symbol_name(token) for token in dict.fromkeys(tokens))
    return re.findall(r"[a-z0-9]+", " ".join(names))


def _symbol_name(c: str) -> str:
    named = unicodedata.category(c)[0] == "S" and c not in _SKIN_TONES
    return unicodedata.name(c, "").lower() if named else ""


def _cut(slug: str) -> str:
    """At most 96 characters, cut between words; within one when it alone is longer than half of that."""
    if len(slug) <= MAX_LENGTH:
        return slug
    at = slug.rfind("-", MAX_LENGTH // 2, MAX_LENGTH + 1)
    if at < 0:
        at = MAX_LENGTH
        while unicodedata.category(slug[at])[0] == "M" and at > 1:  # never leave a letter without its vowel sign
            at -= 1
    return slug[:at]
