"""Stems of words, by PostgreSQL's own dictionaries for the language of a locale, and words that say nothing."""

from __future__ import annotations

from collections.abc import Iterable

from tortoise import connections

# Of the languages that PostgreSQL's core has a dictionary for. An older server may lack one: its words have no stems.
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_REMEMBERED = 200_000
_known: dict[tuple[str, str], str | None] = {}


async def stems(locale: str, words: Iterable[str]) -> dict[str, str | None]:
    """Each word's stem in the language of a locale, the word itself where there is none; None for stop words."""
    language = LANGUAGES.get(locale.replace("_", "-").split("-")[0].lower())
    wanted = set(words)
    if language is None:
        return {word: word for word in wanted}
    known = {word: _known[language, word] for word in wanted if (language, word) in _known}
    if unknown := [word for word in wanted if word not in known]:
        rows = (
            await connections.get("default").execute_query(
                "select word, ts_lexize(dict.oid::regdictionary, word) from pg_ts_dict dict, unnest($2::text[]) word "
                "where dict.dictname = $1 and dict.dictnamespace = 'pg_catalog'::regnamespace",
                [f"{language}_stem", unknown],
            )
        )[1]
        found = {word: (lexemes[0] if lexemes else None) for word, lexemes in rows if lexemes is not None}
        if len(_known) + len(unknown) > _REMEMBERED:
            _known.clear()
        for word in unknown:
            known[word] = _known[language, word] = found.get(word, word)
    return known


async def stems_of_any(locales: Iterable[str], words: Iterable[str]) -> dict[str, frozenset[str] | None]:
    """Each word's stems in several languages; None for one that says nothing in any of them."""
    wanted = set(words)
    found: dict[str, set[str] | None] = {word: set() for word in wanted}
    for locale in locales:
        for word, stem in (await stems(locale, wanted)).items():
            known = found[word]
            found[word] = None if stem is None or known is None else known | {stem}
    return {word: None if each is None else frozenset(each) for word, each in found.items()}
