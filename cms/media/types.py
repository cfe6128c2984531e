"""What a file is, read from its first bytes alone: neither its name nor what its sender says has a say.

Signatures: https://mimesniff.spec.whatwg.org/, ISO 14496-12 (brands), PKZIP's APPNOTE 4.3.7.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cms.models import MediaKind

_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Type:
    kind: MediaKind
    mime_type: str
    extension: str


_IMAGE, _VIDEO, _AUDIO, _DOCUMENT = MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO, MediaKind.DOCUMENT
_OPEN_XML = "application/vnd.openxmlformats-officedocument."
TYPES = {
    each.extension: each
    for each in (
        Type(_IMAGE, "image/jpeg", "jpg"),
        Type(_IMAGE, "image/png", "png"),
        Type(_IMAGE, "image/webp", "webp"),
        Type(_IMAGE, "image/gif", "gif"),
        Type(_IMAGE, "image/avif", "avif"),
        Type(_IMAGE, "image/tiff", "tiff"),
        Type(_VIDEO, "video/mp4", "mp4"),
        Type(_VIDEO, "video/quicktime", "mov"),
        Type(_VIDEO, "video/webm", "webm"),
        Type(_VIDEO, "video/ogg", "ogv"),
        Type(_AUDIO, "audio/mpeg", "mp3"),
        Type(_AUDIO, "audio/mp4", "m4a"),
        Type(_AUDIO, "audio/aac", "aac"),
        Type(_AUDIO, "audio/ogg", "ogg"),
        Type(_AUDIO, "audio/wav", "wav"),
        Type(_AUDIO, "audio/flac", "flac"),
        Type(_DOCUMENT, "application/pdf", "pdf"),
        Type(_DOCUMENT, _OPEN_XML + "wordprocessingml.document", "docx"),
        Type(_DOCUMENT, _OPEN_XML + "spreadsheetml.sheet", "xlsx"),
        Type(_DOCUMENT, _OPEN_XML + "presentationml.presentation", "pptx"),
        Type(_DOCUMENT, "application/vnd.oasis.opendocument.text", "odt"),
        Type(_DOCUMENT, "application/vnd.oasis.opendocument.spreadsheet", "ods"),
    )
}
BY_MIME = {each.mime_type: each for each in TYPES.values()}

_SIGNATURES = tuple(
    (re.compile(pattern, re.DOTALL), extension)
    for pattern, extension in (
        (rb"\xff\xd8\xff", "jpg"),
        (rb"\x89PNG\r\n\x1a\n", "png"),
        (rb"RIFF....WEBP", "webp"),
        (rb"GIF8[79]a", "gif"),
        (rb"II\x2a\x00|MM\x00\x2a", "tiff"),
        (rb"....ftyp(avif|mif1.{4,40}avif)", "avif"),
        (rb"....ftypM4[AB] ", "m4a"),
        (rb"....ftypqt  ", "mov"),
        (rb"....ftyp(isom|iso[2-9]|mp4[12]|avc1|dash|M4V |M4VH|M4VP|MSNV|f4v |mmp4|3gp[4-9])", "mp4"),
        (rb"\x1aE\xdf\xa3.{0,60}webm", "webm"),
        (rb"OggS.{0,60}\x80theora", "ogv"),
        (rb"OggS.{0,60}(\x01vorbis|OpusHead|\x7fFLAC|Speex)", "ogg"),
        (rb"RIFF....WAVE", "wav"),
        (rb"fLaC", "flac"),
        (rb"ID3|\xff[\xfb\xfa\xf3\xf2]", "mp3"),
        (rb"\xff[\xf1\xf9]", "aac"),
        (rb"%PDF-\d\.\d", "pdf"),
    )
)
# What cannot be taken, but is sent often enough to say why.
_REFUSALS = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), reason)
    for pattern, reason in (
        (rb"....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", "HEIC pictures cannot be read here: send them as JPEG."),
        (rb"....ftypavis", "Animated AVIF cannot be read here: send it as WebP or as film."),
        (rb".{0,1000}<svg|\x1f\x8b", "SVG and compressed files are not taken: send the picture as PNG or WebP."),
        (rb".{0,1000}<(!doctype|html|script|body|\?xml)", "Pages and XML are not taken, whatever they are called."),
    )
)
_PARTS = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx", "ppt/presentation.xml": "pptx"}


def read(path: Path) -> Type | None:
    """The type of a file; None for one that the library does not take."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for pattern, extension in _SIGNATURES:
        if pattern.match(head):
            return TYPES[extension]
    return _packed(path) if head.startswith(b"PK\x03\x04") else None


def _packed(path: Path) -> Type | None:
    """Office documents are archives: what is in one tells. Nothing is unpacked but one short name."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {entry.filename: entry for entry in archive.infolist()[:5_000]}
            if (entry := names.get("mimetype")) and entry.file_size < 100 and entry.compress_type == zipfile.ZIP_STORED:
                return BY_MIME.get(archive.read(entry).decode("ascii", "replace"))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    return next((TYPES[extension] for part, extension in _PARTS.items() if part in names), None)


def why_not(path: Path) -> str:
    """What to say of a file that read() knows no type for."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "The file is empty."
    known = "pictures (JPEG, PNG, WebP, GIF, AVIF, TIFF), sound, film, PDF and office documents"
    return next((reason for pattern, reason in _REFUSALS if pattern.match(head)), f"Only {known} are taken.")
