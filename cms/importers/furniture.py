"""What stands on an article's page and is no part of the article: buttons, menus, notices, and what ends the text."""

from __future__ import annotations

import re

from cms import slugs

_LINES = frozenset(
    slugs.identity(line)
    for line in """
    About us; Ad; Advertisement; Advertising; Advertiser content; Back to top; Bookmark; Close; Comments; Contact
    Contact us; Continue reading; Cookie policy; Cookies; Copy link; Copyright; Donate; Download our app; Email
    Email this; Facebook; Flipboard; Follow; Follow us; Get the app; Gift this article; Google+; Home; Imprint
    Instagram; Latest news; Leave a comment; Leave a reply; Like; Link copied; LinkedIn; Listen; Load more
    Loading; Log in; Login; Mastodon; Menu; Messenger; Mobile menu; More; Navigation; Newsletter; Newsletters; Next
    Next article; Next post; Open menu; Pin; Pinterest; Pocket; Post; Previous; Previous article; Previous post
    Print; Print this; Privacy; Privacy policy; RSS; Read more; Reddit; Register; Save; Save article; Search
    Share; Show more; Sign in; Sign up; Skip advertisement; Skip to content; Skip to main content; Social media
    Sponsored; Sponsored content; Subscribe; Subscribe now; Telegram; Terms; Terms of service; Terms of use; Threads
    Toggle navigation; Tumblr; Tweet; Twitter; View comments; Viber; WhatsApp; X; YouTube
    """.replace("\n", ";").split(";")
    if line.strip()
)
_PATTERN = re.compile(
    r"""
      share\ (?:this|on|via)\b.{0,40} | (?:follow|like|find|join)\ us\b.{0,60}
    | (?:read\ (?:more|also|next)|also\ read|see\ also)\s*:.{1,200}
    | \d{1,6}\ (?:comments?|shares?|likes?|views?) | no\ comments
    | \d{1,3}[\ -]min(?:ute)?s?\ read | reading\ time.{0,20}
    | (?:sign\ up|subscribe)\ (?:for|to)\b.{0,60}\b(?:newsletters?|updates|alerts|e-?mails?|channel|podcast)\b.{0,40}
    | (?:©|\(c\)|copyright\ (?:©|\(c\)|\d{4})).{1,120} | .{0,80}\ball\ rights\ reserved
    | your\ email\ address\ will\ not\ be\ published.{0,80} | required\ fields\ are\ marked.{0,20}
    | (?:save|remember)\ my\ name,.{0,120} | enter\ your\ e-?mail.{0,60} | (?:please\ )?enable\ javascript.{0,60}
    | (?:we|this\ (?:web)?site)\ uses?\ cookies.{0,200} | (?:tags?|tagged)\s?:.{1,200}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_RELATED = re.compile(
    r"""
      related(?:\ (?:posts?|articles?|stories|news|content|topics))?
    | you\ (?:may|might)\ (?:also\ )?(?:like|be\ interested\ in|have\ missed)
    | more\ from\ .{1,40} | more\ (?:stories|articles) | recommended(?:\ (?:for\ you|stories|articles|posts|reading))?
    | most\ (?:read|popular|viewed) | trending(?:\ now)? | latest\ (?:posts|stories|articles)
    | further\ reading | read\ next | up\ next
    """,
    re.IGNORECASE | re.VERBOSE,
)
_COMMENTS = re.compile(
    r"""
      (?:\d{1,6}\ )?comments? | \d{1,6}\ (?:responses|replies|thoughts\ on\ .{1,200})
    | leave\ a\ (?:comment|reply) | join\ the\ (?:conversation|discussion)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SEPARATORS = re.compile(r"\s*[|•·/]\s*|\s{2,}|\t")
_ORNAMENT = " \t:.…!→›»>«‹<|•·*—–-_=+×"


def is_furniture(line: str) -> bool:
    """Whether a line is a button, a menu, a notice: alone, or as a row of them ("Facebook | Twitter | Print")."""
    core = line.strip(_ORNAMENT)
    if not core or slugs.identity(core) in _LINES or _PATTERN.fullmatch(core):
        return True
    parts = _SEPARATORS.split(core)
    if len(parts) == 1:
        parts = core.split()
    return len(parts) > 1 and all(slugs.identity(part) in _LINES for part in parts)


def begins_related(line: str) -> bool:
    """Whether headlines of other stories follow this line."""
    return bool(_RELATED.fullmatch(line.strip(_ORNAMENT)))


def begins_comments(line: str) -> bool:
    """Whether readers' words follow this line."""
    return bool(_COMMENTS.fullmatch(line.strip(_ORNAMENT)))
