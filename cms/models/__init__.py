"""Every table, as one Tortoise app. The derived index tables live_term and head_term are of listings.py."""

from cms.models.article import (
    Article,
    ArticleStatus,
    Content,
    Correction,
    CorrectionKind,
    GoneReason,
    Head,
    Live,
    Revision,
)
from cms.models.desk import Comment, EditLock, PreviewLink
from cms.models.event import Event
from cms.models.media import Media, MediaKind, Upload
from cms.models.people import Letter, Link, LinkPurpose, Role, Session, Token, TokenScope, Tries, User
from cms.models.site import Site, StoryList
from cms.models.slug import Slug, SlugKind
from cms.models.taxonomy import Author, AuthorKind, Section, Tag, TagName

__all__ = [
    "Article",
    "ArticleStatus",
    "Author",
    "AuthorKind",
    "Comment",
    "Content",
    "Correction",
    "CorrectionKind",
    "EditLock",
    "Event",
    "GoneReason",
    "Head",
    "Letter",
    "Link",
    "LinkPurpose",
    "Live",
    "Media",
    "MediaKind",
    "PreviewLink",
    "Revision",
    "Role",
    "Section",
    "Session",
    "Site",
    "Slug",
    "SlugKind",
    "StoryList",
    "Tag",
    "TagName",
    "Token",
    "TokenScope",
    "Tries",
    "Upload",
    "User",
]
