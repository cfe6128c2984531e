"""What the values of enums mean, for those that the newsroom declares and this API only shows."""

from __future__ import annotations

from enum import Enum
from typing import Any

from cms.articles import RelatedSource
from cms.changes import ChangeKind
from cms.checklist import Level
from cms.listings import ArticleOrderField
from cms.media import Fit, Format
from cms.models import ArticleStatus, AuthorKind, CorrectionKind, GoneReason, MediaKind, Role, TagKind, TokenScope
from cms.permissions import Perspective
from cms.queue import CalendarKind
from cms.workflow import Transition
from schema.editorial import ChecklistLevel
from schema.listings import Direction

MEANINGS: dict[type[Enum], dict[str, str]] = {
    ChangeKind: {
        "PUBLISHED": "Readers see it from now on; in a full export, at all.",
        "UPDATED": "It, or what it shows of others, is not as it was.",
        "CORRECTED": "A public notice was put on the story.",
        "REMOVED": "Readers see it no more.",
        "REDIRECTED": "It stands at another path: the one before redirects to it.",
    },
    ArticleOrderField: {
        "PUBLISHED_AT": "The date that is printed.",
        "UPDATED_AT": "When the content last changed.",
        "CREATED_AT": "When the story was made; in DRAFT only.",
        "HEADLINE": "The headline, by its code points.",
    },
    ArticleStatus: {
        "DRAFT": "Being written.",
        "IN_REVIEW": "Handed in; waits for an editor.",
        "APPROVED": "Fit to be published.",
        "SCHEDULED": "Will be published at a set time.",
        "PUBLISHED": "Readers see this version.",
        "UNPUBLISHED": "Readers saw this version and no longer do.",
        "WITHDRAWN": "Taken from readers for good, with a notice in its place.",
    },
    AuthorKind: {"PERSON": "One human being.", "ORGANIZATION": "An agency, a desk, the staff."},
    CalendarKind: {
        "PUBLISH": "Readers get it.",
        "UNPUBLISH": "Readers lose it.",
        "EMBARGO_ENDS": "It may be published from then on.",
        "DUE": "Colleagues expect it.",
    },
    ChecklistLevel: {"BLOCK": "Refuses publication.", "WARN": "Only says so."},
    CorrectionKind: {
        "CORRECTION": "Something was wrong and is put right.",
        "CLARIFICATION": "Something could be misunderstood.",
        "UPDATE": "Something has happened since.",
        "RETRACTION": "The story should not have said this; it stays readable.",
    },
    Direction: {"ASC": "From the first, the oldest or A.", "DESC": "From the last, the newest or Z."},
    GoneReason: {"UNPUBLISHED": "It may come back.", "WITHDRAWN": "It was withdrawn, with a notice."},
    MediaKind: {"IMAGE": "A picture.", "VIDEO": "A film.", "AUDIO": "Sound.", "DOCUMENT": "Something to download."},
    Perspective: {"PUBLISHED": "What readers see.", "DRAFT": "The newest revision of every story."},
    Fit: {
        "COVER": "Fills the box; what does not fit is cut off around the focal point.",
        "CONTAIN": "All of it, as large as fits into the box.",
    },
    Format: {
        "AUTO": "AVIF, WebP or JPEG: the best that whoever asks for it says it takes.",
        "AVIF": "AVIF.",
        "WEBP": "WebP.",
        "JPEG": "JPEG.",
        "PNG": "PNG, without loss.",
    },
    RelatedSource: {"CURATED": "An editor picked it.", "AUTOMATIC": "The machine found it."},
    Role: {
        "CONTRIBUTOR": "Own stories and the library.",
        "EDITOR": "All stories, taxonomy, lists.",
        "CHIEF": "Withdrawing, embargoes, rules.",
        "ADMIN": "People, tokens, the site.",
    },
    TagKind: {
        "TOPIC": "A subject.",
        "PERSON": "Somebody.",
        "ORGANIZATION": "A company, a party, a club.",
        "PLACE": "A town, a country, a river.",
        "EVENT": "An election, a war, a championship.",
    },
    TokenScope: {
        "READ": "What is published.",
        "PREVIEW": "Drafts too, to read.",
        "WRITE": "All that its user may do.",
    },
    Level: {"BLOCK": "Refuses publication.", "WARN": "Only says so.", "OFF": "Is not looked for."},
    Transition: {
        "SUBMIT": "Hand a draft in for review.",
        "REQUEST_CHANGES": "Send it back to be worked on.",
        "APPROVE": "Say that it is fit to be published.",
        "SCHEDULE": "Set when readers get it, or lose it.",
        "UNSCHEDULE": "Drop a pending publication.",
        "PUBLISH": "Show the newest revision to readers.",
        "UNPUBLISH": "Take it from readers.",
        "WITHDRAW": "Take it from readers for good, with a notice.",
        "REINSTATE": "Work on a withdrawn story again.",
        "TRASH": "Hide it from all lists.",
        "UNTRASH": "Take it out of the trash.",
    },
}


def describe_values() -> None:
    """Give each value its meaning; before the schema is made."""
    for enum, meanings in MEANINGS.items():
        definition: Any = enum.__strawberry_definition__  # type: ignore[attr-defined]
        for value in definition.values:
            value.description = meanings[value.name]
