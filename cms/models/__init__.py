"""Every table, as one Tortoise app. The derived index tables live_term, head_term and term_count are of listings.py,
tag_merge_story is of tagging.py."""

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
from cms.models.document import TrustedDocument
from cms.models.event import Event
from cms.models.media import Media, MediaKind, Upload
from cms.models.people import Letter, Link, LinkPurpose, Role, Session, Token, TokenScope, Tries, User
from cms.models.site import Site, StoryList
from cms.models.slug import Slug, SlugKind
from cms.models.taxonomy import Author, AuthorKind, Section, Tag, TagKind, TagMerge, TagName

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
    "TagKind",
    "TagMerge",
    "TagName",
    "Token",
    "TokenScope",
    "Tries",
    "TrustedDocument",
    "Upload",
    "User",
]
