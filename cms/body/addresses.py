"""Addresses in a body: which may be linked to, and which are players and posts of known providers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

MAX_LENGTH = 4_000

_SCHEMES = frozenset({"http", "https", "mailto", "tel"})
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
# Browsers drop tabs and line ends anywhere in an address, and controls and spaces around it, before they read it.
_DROPPED_INSIDE = re.compile(r"[\t\r\n]")
_DROPPED_AROUND = "".join(map(chr, range(0x21)))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def safe(address: str) -> str | None:
    """The address as a browser would read it; None unless it is http, https, mailto, tel or a path of this site.

    Addresses that borrow the page's scheme ("//host") are refused: they look like paths and lead elsewhere.
    """
    address = _DROPPED_INSIDE.sub("", address.strip(_DROPPED_AROUND)).replace(" ", "%20")
    if not address or len(address) > MAX_LENGTH or _CONTROL.search(address):
        return None
    if address.replace("\\", "/").startswith("//"):
        return None
    try:
        urlsplit(address)
    except ValueError:
        return None
    # A colon before any slash ends a scheme, whatever it is made of.
    head = re.split(r"[/?#\\]", address, maxsplit=1)[0]
    if ":" not in head:
        return address
    scheme = _SCHEME.match(address)
    return address if scheme and scheme[1].lower() in _SCHEMES else None


def is_web(address: str) -> bool:
    """Whether it is a complete http or https address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def host(address: str) -> str:
    """The host of a web address, without www: "example.org"."""
    return (urlsplit(address).hostname or "").removeprefix("www.")


def file_name(address: str) -> str:
    """The last part of an address's path, for people to read: "riot.jpg"."""
    path = urlsplit(address).path.rstrip("/")
    return unquote(path.rsplit("/", 1)[-1], errors="replace") or address


@dataclass(frozen=True)
class Embed:
    """What an embedded address is: its provider's name, its canonical address, and its player's, if it has one."""

    provider: str
    url: str
    player: str | None = None


def embed(address: str) -> Embed | None:
    """What a known provider shows at that address; its player, page or short form all come to the same. None else."""
    if address.startswith("//"):
        address = "https:" + address
    if not is_web(address) or not safe(address):
        return None
    parts = urlsplit(address)
    where = re.sub(r"^(www|m|mobile)\.", "", (parts.hostname or "").lower()) + parts.path
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for pattern, make in _PROVIDERS:
        if (match := pattern.fullmatch(where)) and (found := make(match, query)):
            return found
    return None


_Make = Callable[[re.Match[str], dict[str, str]], Embed | None]


def _youtube(match: re.Match[str], query: dict[str, str]) -> Embed | None:
    video = match["id"] or query.get("v", "")
    if not re.fullmatch(r"[\w-]{1,64}", video, re.ASCII):
        return None
    # The address without cookies shows the same player.
    return Embed(
        "youtube", f"https://www.youtube.com/watch?v={video}", f"https://www.youtube-nocookie.com/embed/{video}"
    )


def _vimeo(match: re.Match[str], query: dict[str, str]) -> Embed:
    # Unlisted films carry a second key, in the path of the page and in the query of the player.
    key = match["key"] or query.get("h", "")
    key = key if re.fullmatch(r"\w{1,64}", key, re.ASCII) else ""
    page = f"https://vimeo.com/{match['id']}" + (f"/{key}" if key else "")
    player = f"https://player.vimeo.com/video/{match['id']}?dnt=1" + (f"&h={key}" if key else "")
    return Embed("vimeo", page, player)


def _soundcloud(match: re.Match[str], query: dict[str, str]) -> Embed | None:
    url = query.get("url", "") if match["player"] else "https://" + match[0]
    host = urlsplit(url).hostname if is_web(url) else None
    if host not in ("soundcloud.com", "api.soundcloud.com") or not safe(url):
        return None
    return Embed("soundcloud", url, "https://w.soundcloud.com/player/?url=" + quote(url, safe=""))


def _apple_podcasts(match: re.Match[str], query: dict[str, str]) -> Embed:
    episode = query.get("i", "")
    path = quote(match["path"], safe="/%") + (f"?i={episode}" if episode.isdecimal() and episode.isascii() else "")
    return Embed("applepodcasts", f"https://podcasts.apple.com/{path}", f"https://embed.podcasts.apple.com/{path}")


def _google_maps(match: re.Match[str], query: dict[str, str]) -> Embed | None:
    if "pb" not in query:
        return None
    url = "https://www.google.com/maps/embed?pb=" + quote(query["pb"], safe="!:.,-_~")
    return Embed("googlemaps", url, url)


def _at(provider: str, url: str, player: str | None = None) -> _Make:
    def make(match: re.Match[str], query: dict[str, str]) -> Embed:
        named = {name: quote(value or "", safe="@:~._-/%") for name, value in match.groupdict().items()}
        return Embed(provider, url.format(**named), player.format(**named) if player else None)

    return make


# Providers without a player want a script of their own on the page: readers get the link.
_PROVIDERS: list[tuple[re.Pattern[str], _Make]] = [
    (re.compile(pattern), make)
    for pattern, make in (
        (r"(?:music\.)?youtube\.com/watch(?P<id>)", _youtube),
        (r"(?:youtube|youtube-nocookie)\.com/(?:embed|shorts|live|v)/(?P<id>[\w-]+)/?", _youtube),
        (r"youtu\.be/(?P<id>[\w-]+)/?", _youtube),
        (r"(?:player\.)?vimeo\.com/(?:video/)?(?P<id>\d+)(?:/(?P<key>\w+))?/?", _vimeo),
        (r"(?P<player>w\.soundcloud\.com/player/?)|(?:api\.)?soundcloud\.com/[\w-]+/[\w/-]+", _soundcloud),
        (r"google\.com/maps/embed", _google_maps),
        (
            r"(?:(?:geo\.)?dailymotion\.com/(?:embed/)?video|dai\.ly)/(?P<id>[a-zA-Z0-9]+)(?:_.*)?",
            _at(
                "dailymotion",
                "https://www.dailymotion.com/video/{id}",
                "https://www.dailymotion.com/embed/video/{id}",
            ),
        ),
        (
            r"open\.spotify\.com/(?:embed/|intl-\w+/)?(?P<kind>track|album|playlist|episode|show|artist)/(?P<id>\w+)",
            _at("spotify", "https://open.spotify.com/{kind}/{id}", "https://open.spotify.com/embed/{kind}/{id}"),
        ),
        (r"(?:embed\.)?podcasts\.apple\.com/(?P<path>[\w-]+/podcast/.+)", _apple_podcasts),
        (
            r"datawrapper\.dwcdn\.net/(?P<id>\w+)(?:/\d+)?/?",
            _at("datawrapper", "https://datawrapper.dwcdn.net/{id}/", "https://datawrapper.dwcdn.net/{id}/"),
        ),
        (
            r"(?:flo\.uri\.sh|public\.flourish\.studio)/(?P<kind>visualisation|story)/(?P<id>\d+)(?:/embed)?/?",
            _at(
                "flourish",
                "https://public.flourish.studio/{kind}/{id}/",
                "https://flo.uri.sh/{kind}/{id}/embed",
            ),
        ),
        (
            r"(?:embed|www)?\.?documentcloud\.org/documents/(?P<id>[\w-]+)/?",
            _at(
                "documentcloud",
                "https://www.documentcloud.org/documents/{id}/",
                "https://embed.documentcloud.org/documents/{id}/",
            ),
        ),
        (
            r"(?:twitter|x)\.com/(?P<user>\w+)/status(?:es)?/(?P<id>\d+)/?.*",
            _at("x", "https://x.com/{user}/status/{id}"),
        ),
        (
            r"instagram\.com/(?:[\w.]+/)?(?P<kind>p|reel|tv)/(?P<id>[\w-]+)(?:/.*)?",
            _at("instagram", "https://www.instagram.com/{kind}/{id}/"),
        ),
        (
            r"tiktok\.com/(?P<user>@[\w.-]+)/video/(?P<id>\d+)/?",
            _at("tiktok", "https://www.tiktok.com/{user}/video/{id}"),
        ),
        (
            r"facebook\.com/(?P<path>[\w.-]+/(?:posts|videos)/[\w./-]+)",
            _at("facebook", "https://www.facebook.com/{path}"),
        ),
        (
            r"bsky\.app/profile/(?P<user>[\w.:-]+)/post/(?P<id>\w+)/?",
            _at("bluesky", "https://bsky.app/profile/{user}/post/{id}"),
        ),
        (
            r"threads\.(?:net|com)/(?P<user>@[\w.]+)/post/(?P<id>[\w-]+)/?",
            _at("threads", "https://www.threads.net/{user}/post/{id}"),
        ),
    )
]
