"""Lists as Word puts them on the clipboard: paragraphs that carry their bullet as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from cms.body.style import declarations

_LEVEL = re.compile(r"\blevel(\d)")
_NUMBER = re.compile(r"\(?(\d{1,6}|[a-zA-Z]{1,4})[.)]")
_BULLET = re.compile(r"\s*([·•▪§o–-]|\(?\w{1,4}[.)])[\s\xa0]{2,}")


def lists(tree: Element) -> None:
    """Makes real lists of Word's paragraphs, everywhere in the tree."""
    for parent in list(tree.iter()):
        if any(_level(child) for child in parent):
            _gather(parent)


def _level(element: Element) -> int:
    """How deep in a list Word has it, from 1; 0 for what is no item."""
    if element.tag != "p":
        return 0
    if found := _LEVEL.search(declarations(element).get("mso-list", "")):
        return int(found[1])
    return 1 if element.get("class", "").lower().startswith("msolistparagraph") else 0


@dataclass
class _Open:
    level: int
    list: Element


def _gather(parent: Element) -> None:
    children = list(parent)
    for child in children:
        parent.remove(child)
    stack: list[_Open] = []
    for child in children:
        level = _level(child)
        if not level:
            parent.append(child)
            stack = []
            continue
        tail, child.tail = child.tail, None
        _place(parent, stack, level, child)
        if tail and tail.strip():
            stack[0].list.tail = tail
            stack = []


def _place(parent: Element, stack: list[_Open], level: int, item: Element) -> None:
    """Puts the paragraph as an item on the open list of its level, opening one inside the item before if need be."""
    marker = _take_marker(item).strip()
    item.tag = "li"
    number = _NUMBER.fullmatch(marker)
    kind = "ol" if number else "ul"
    while stack and (stack[-1].level > level or (stack[-1].level == level and marker and stack[-1].list.tag != kind)):
        stack.pop()
    if not stack or stack[-1].level < level:
        home = stack[-1].list[-1] if stack else parent
        opened = Element(kind, {"start": number[1]} if number and number[1].isdecimal() else {})
        home.append(opened)
        stack.append(_Open(level, opened))
    stack[-1].list.append(item)


def _take_marker(item: Element) -> str:
    """Removes the bullet or number, which Word marks as to be ignored, and returns it."""
    for parent in item.iter():
        for i, child in enumerate(parent):
            if declarations(child).get("mso-list") == "ignore":
                marker = "".join(child.itertext())
                _keep_tail(parent, i, child.tail or "")
                return marker
    return _take_leading(item)


def _keep_tail(parent: Element, i: int, tail: str) -> None:
    parent.remove(parent[i])
    if i:
        parent[i - 1].tail = (parent[i - 1].tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail


def _take_leading(item: Element) -> str:
    for element in item.iter():
        if element.text and element.text.strip():
            found = _BULLET.match(element.text)
            element.text = element.text[found.end() :] if found else element.text
            return found[1] if found else ""
        if element is not item and element.tail and element.tail.strip():
            break
    return ""
