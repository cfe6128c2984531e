"""What photographers and agencies write into pictures, read from IPTC-IIM 4.2 and XMP (ISO 16684-1), and the little of
it that is written into what we serve. https://www.iptc.org/std/photometadata/specification/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

MAX_TEXT, MAX_KEYWORDS, MAX_PACKET = 10_000, 100, 4_000_000

_NAMES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
}
# Field, dataset of IIM's second record, and property of XMP. XMP wins where both speak.
_FIELDS = (
    ("caption", 120, "dc:description"),
    ("creator", 80, "dc:creator"),
    ("credit", 110, "photoshop:Credit"),
    ("copyright_holder", 116, "dc:rights"),
    ("instructions", 40, "photoshop:Instructions"),
    ("usage_terms", None, "xmpRights:UsageTerms"),
)
_KEYWORDS = 25
_UTF8 = b"\x1b%G"


def read(iptc: bytes, xmp: bytes) -> dict[str, Any]:
    """caption, creator, credit, copyright_holder, instructions, usage_terms (texts) and keywords (a list); only what is
    there. What is broken is as if it were not."""
    records, properties = _iim(iptc), _xmp(xmp)
    found: dict[str, Any] = {}
    for name, dataset, path in _FIELDS:
        values = properties.get(path) or (records.get(dataset, []) if dataset else [])
        if text := ", ".join(values)[:MAX_TEXT]:
            found[name] = text
    if keywords := properties.get("dc:subject") or records.get(_KEYWORDS):
        found["keywords"] = list(dict.fromkeys(keyword[:200] for keyword in keywords))[:MAX_KEYWORDS]
    return found


def xmp(credit: str | None, copyright: str | None) -> bytes | None:
    """A packet that says this and nothing else; None where there is nothing to say."""
    if not credit and not copyright:
        return None
    attribute = f" photoshop:Credit={quoteattr(_printable(credit))}" if credit else ""
    line = (
        f'<rdf:Alt><rdf:li xml:lang="x-default">{escape(_printable(copyright))}</rdf:li></rdf:Alt>' if copyright else ""
    )
    rights = f"<dc:rights>{line}</dc:rights>" if line else ""
    names = " ".join(f'xmlns:{name}="{uri}"' for name, uri in _NAMES.items() if name != "xmpRights")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {names}><rdf:Description rdf:about=""{attribute}>{rights}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable() or each in "\t\n")


def _iim(data: bytes) -> dict[int, list[str]]:
    """The second record's texts by dataset. The block may stand inside Photoshop's resources."""
    start = data.find(b"\x1c\x02")
    envelope = data.find(b"\x1c\x01")
    if 0 <= envelope < start:
        start = envelope
    encoding = "cp1252"
    found: dict[int, list[str]] = {}
    for record, dataset, value in _datasets(data, start) if start >= 0 else ():
        if (record, dataset) == (1, 90) and value == _UTF8:
            encoding = "utf-8"
        elif record == 2 and (text := _decoded(value, encoding)):
            found.setdefault(dataset, []).append(text)
    return found


def _datasets(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, dataset, size = struct.unpack_from(">BBH", data, at + 1)
        if size & 0x8000:  # an extended dataset: no text has one
            return
        yield record, dataset, data[at + 5 : at + 5 + size]
        at += 5 + size


def _decoded(value: bytes, encoding: str) -> str:
    """Many writers use UTF-8 without saying so."""
    try:
        return _clean(value.decode("utf-8"))
    except UnicodeDecodeError:
        return _clean(value.decode(encoding, "replace"))


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()


def _xmp(packet: bytes) -> dict[str, list[str]]:
    """The texts of the properties that we know. Nothing outside the packet is ever opened: a document type makes it
    void, entities are not resolved."""
    if not packet or len(packet) > MAX_PACKET or b"<!" in packet.replace(b"<!--", b""):
        return {}
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(packet.strip(b"\x00 \n\r\t"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return {}
    found: dict[str, list[str]] = {}
    for about in root.iter(f"{{{_NAMES['rdf']}}}Description"):
        for path in (*(path for _, _, path in _FIELDS), "dc:subject"):
            prefix, name = path.split(":")
            if texts := list(_texts(about, f"{{{_NAMES[prefix]}}}{name}")):
                found.setdefault(path, texts)
    return found


def _texts(about: Any, tag: str) -> Iterator[str]:
    """An attribute, an element's text, or the items of its bag, sequence or languages (of these the first)."""
    if value := _clean(about.get(tag, "")):
        yield value
    for element in about.findall(tag):
        items = element.findall(f"*/{{{_NAMES['rdf']}}}li")
        languages = element.find(f"{{{_NAMES['rdf']}}}Alt") is not None
        for item in (items[:1] if languages else items) or [element]:
            if text := _clean(item.text or ""):
                yield text
