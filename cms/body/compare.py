"""Two versions of a body as one page of HTML that marks what was put in and what was taken out."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import partial
from typing import Any

import regex

from cms.body.links import NOTHING, Links
from cms.body.markup import Printer
from cms.body.plain import block_text
from cms.body.schema import Document, Node

# Of a block's words, how many two versions must share to be shown as one block that was changed.
_SIMILAR = 0.5
# Blocks this far apart are not searched for each other: a moved paragraph is one put in and one taken out.
_NEAR = 20
# Words of a block that is not looked into when it stands where the other stood.
_SHORT = 5
_MAX_PRODUCT = 4_000_000


def diff(before: Document, after: Document, links: Links = NOTHING) -> str:
    """HTML of both, word by word, with <ins> and <del>; "" in neither changes nothing.

    Blocks are matched by their ids, then by the words they share. What only changed its marks is taken out and put in.
    """
    merged: Node = {"type": "doc", "content": list(_merged(before["content"], after["content"]))}
    return Printer(merged, links).blocks(merged)


def _merged(before: list[Node], after: list[Node]) -> Iterator[Node]:
    """The children of both, in order, each as it was, as it is, or as a mixture of the two."""
    i = j = 0
    for k, n in _pairs(before, after):
        yield from (_marked(node, "del") for node in before[i:k])
        yield from (_marked(node, "ins") for node in after[j:n])
        yield from _changed(before[k], after[n])
        i, j = k + 1, n + 1
    yield from (_marked(node, "del") for node in before[i:])
    yield from (_marked(node, "ins") for node in after[j:])


def _pairs(before: list[Node], after: list[Node]) -> Iterator[tuple[int, int]]:
    """The positions of what is the same block in both, in the order of both."""
    for what, i, i_end, j, j_end in _steps([*map(_identity, before)], [*map(_identity, after)]):
        if what == "equal":
            yield from zip(range(i, i_end), range(j, j_end), strict=True)
        elif what == "replace":
            yield from _similar_pairs(before, after, range(i, i_end), range(j, j_end))


def _identity(node: Node) -> tuple[str, str]:
    return node["type"], node.get("attrs", {}).get("id") or block_text(node)


def _similar_pairs(before: list[Node], after: list[Node], old: range, new: range) -> Iterator[tuple[int, int]]:
    words = {j: set(block_text(after[j]).split()) for j in new}
    # Alone between the same neighbours it is the one, but for a long text that shares next to nothing.
    enough = _SIMILAR if len(old) * len(new) > 1 else _SIMILAR / 4
    first = new.start
    for i in old:
        mine = set(block_text(before[i]).split())
        for j in range(first, min(first + _NEAR, new.stop)):
            if before[i]["type"] == after[j]["type"] and _alike(mine, words[j], enough, len(old) == len(new) == 1):
                yield i, j
                first = j + 1
                break


def _alike(one: set[str], other: set[str], enough: float, alone: bool) -> bool:
    most = max(len(one), len(other))
    return len(one & other) >= enough * most if most > _SHORT or not alone else True


def _steps(old: list[Any], new: list[Any]) -> list[tuple[str, int, int, int, int]]:
    """How the one becomes the other (difflib's opcodes). Its time grows with the product of the two: what is too long
    for it is replaced as a whole, but for the beginning and the end that they share."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    i, j = len(old) - end, len(new) - end
    if (i - start) * (j - start) > _MAX_PRODUCT:
        inner = [("replace", start, i, start, j)]
    else:
        # A space alone is nothing that two versions have in common.
        matcher = SequenceMatcher(_is_space, old[start:i], new[start:j], autojunk=False)
        inner = [(what, a + start, b + start, c + start, d + start) for what, a, b, c, d in matcher.get_opcodes()]
    return [("equal", 0, start, 0, start), *inner, ("equal", i, len(old), j, len(new))]


_TEXTS = frozenset({"paragraph", "heading", "codeBlock"})
_HOLDERS = frozenset(
    {"bulletList", "orderedList", "listItem", "blockquote", "table", "tableRow", "tableCell", "tableHeader"}
)


def _changed(before: Node, after: Node) -> Iterator[Node]:
    if before == after:
        yield after
    elif before["type"] != after["type"] or not _same_frame(before, after):
        yield _marked(before, "del")
        yield _marked(after, "ins")
    elif after["type"] in _TEXTS:
        yield after | {"content": _changed_words(before.get("content", []), after.get("content", []))}
    elif after["type"] in _HOLDERS:
        yield after | {"content": list(_merged(before.get("content", []), after.get("content", [])))}
    else:
        yield after


def _same_frame(before: Node, after: Node) -> bool:
    """Whether they differ, if at all, in what they hold: a heading of another level was replaced."""
    frames: list[dict[str, Any]] = [
        {name: value for name, value in node.get("attrs", {}).items() if name != "id"} for node in (before, after)
    ]
    return frames[0] == frames[1]


# Scripts without spaces go by characters.
_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{L}\p{M}\p{N}]+|\s+|.", regex.DOTALL)


def _changed_words(before: list[Node], after: list[Node]) -> list[Node]:
    old, new = list(_words(before)), list(_words(after))
    nodes: list[Node] = []
    for what, i, i_end, j, j_end in _steps([*map(_word_identity, old)], [*map(_word_identity, new)]):
        if what == "equal":
            nodes += new[j:j_end]
        else:
            nodes += map(partial(_marked, change="del"), old[i:i_end])
            nodes += map(partial(_marked, change="ins"), new[j:j_end])
    return nodes


def _word_identity(node: Node) -> tuple[str, str]:
    return str(node.get("text", node["type"])), repr(node.get("marks"))


def _is_space(identity: tuple[str, str]) -> bool:
    return identity[0].isspace()


def _words(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        if node["type"] == "text":
            yield from (node | {"text": word} for word in _WORD.findall(node["text"]))
        else:
            yield node


def _marked(node: Node, change: str) -> Node:
    """All of it as put in or taken out: its texts by a mark around all others, what is no text by a frame around it."""
    if node["type"] in ("text", "hardBreak"):
        return node | {"marks": [{"type": change}, *node.get("marks", [])]}
    if node["type"] in _TEXTS or node["type"] in _HOLDERS:
        return node | {"content": [_marked(child, change) for child in node.get("content", [])]}
    return {"type": "changed", "attrs": {"change": change}, "content": [node]}
