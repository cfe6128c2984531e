"""XML that always parses: elements whose texts hold nothing that XML 1.0 cannot."""

from __future__ import annotations

import re

from lxml import etree

# https://www.w3.org/TR/xml/#charsets
_NEVER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def root(tag: str, namespaces: dict[str | None, str], **attributes: str) -> etree._Element:
    """A document's outermost element; tag is in the namespace without a prefix, where there is one."""
    own = namespaces.get(None)
    return etree.Element(f"{{{own}}}{tag}" if own else tag, _clean(attributes), nsmap=namespaces)  # type: ignore[arg-type]


def add(parent: etree._Element, tag: str, text: str | None = None, **attributes: str) -> etree._Element:
    """A child; tag may have one of the document's prefixes, as in media:content."""
    prefix, _, name = tag.rpartition(":")
    namespace = parent.nsmap.get(prefix or None)
    child = etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name, _clean(attributes))
    if text is not None:
        child.text = clean(text)
    return child


def clean(text: str) -> str:
    return _NEVER.sub("", text)


def printed(element: etree._Element) -> bytes:
    return etree.tostring(element, xml_declaration=True, encoding="utf-8")


def _clean(attributes: dict[str, str]) -> dict[str, str]:
    return {name: clean(value) for name, value in attributes.items()}
