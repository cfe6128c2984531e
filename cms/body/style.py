"""What a style attribute says."""

from __future__ import annotations

from xml.etree.ElementTree import Element


def declarations(element: Element) -> dict[str, str]:
    """Properties and values in lower case. Read by splitting: patterns over hostile text can take for ever."""
    pairs = (part.partition(":") for part in element.get("style", "").lower().split(";"))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}
