"""File names: for people to read and to download by, never to store by."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

MAX_NAME = 255

# Characters that turn text around or cannot be seen would let a name look like another one.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def displayed(name: str) -> str:
    """The name as it came, without folders and without what cannot be seen; "file" where nothing is left."""
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(each for each in name if unicodedata.category(each) not in _HIDDEN).strip()
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        short = dot and len(extension) <= 10
        name = f"{stem[: MAX_NAME - 1 - len(extension)]}.{extension}" if short else name[:MAX_NAME]
    return name if name.strip(".") else "file"


def disposition(kind: str, name: str, extension: str) -> str:
    """A Content-Disposition (RFC 6266): the name with the extension that the bytes have, for every file system."""
    stem = name.rpartition(".")[0] or name
    stem = re.sub(r'[<>:"|?*%;]|\.\.+', "_", stem).strip(". ") or "file"
    if _RESERVED.match(stem):
        stem = "_" + stem
    full = f"{stem}.{extension}"
    plain = unicodedata.normalize("NFKD", full).encode("ascii", "ignore").decode().lstrip(".") or f"file.{extension}"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(unicodedata.normalize('NFC', full), safe='')}"
