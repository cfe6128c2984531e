"""Which rule stands before each operation of the API. A field without one stops the program at its start.

The rule itself is applied where the work is done (cms.permissions), so that commands and jobs keep it too; this is the
list that nobody can forget to extend. tests/test_access.py tries every entry as every kind of viewer.
"""

from __future__ import annotations

from enum import StrEnum

from graphql import GraphQLSchema

from cms.permissions import Action


class Reader(StrEnum):
    """Who may ask for a root field at all; what it shows is decided by visible()."""

    ANYONE = "anyone, each what they may see"
    STAFF = "members of staff, each what they may see"


class Own(StrEnum):
    """A mutation for everybody who signed in on what is their own, and for ADMIN on what is anybody's."""

    ACCOUNT = "one's own account; for ADMIN anybody's"


QUERIES: dict[str, Reader] = {
    "article": Reader.ANYONE,
    "articles": Reader.ANYONE,
    "author": Reader.ANYONE,
    "authors": Reader.ANYONE,
    "calendar": Reader.STAFF,
    "changes": Reader.ANYONE,
    "events": Reader.STAFF,
    "mediaLibrary": Reader.STAFF,
    "myQueue": Reader.STAFF,
    "node": Reader.ANYONE,
    "nodes": Reader.ANYONE,
    "preview": Reader.ANYONE,
    "redirects": Reader.ANYONE,
    "route": Reader.ANYONE,
    "search": Reader.ANYONE,
    "section": Reader.ANYONE,
    "sections": Reader.ANYONE,
    "sessions": Reader.STAFF,
    "site": Reader.ANYONE,
    "storyList": Reader.ANYONE,
    "tag": Reader.ANYONE,
    "tags": Reader.ANYONE,
    "tokens": Reader.STAFF,
    "users": Reader.STAFF,
    "viewer": Reader.ANYONE,
}

# What these answer depends on a secret among the variables, or on who asks: no cache keeps it.
PERSONAL = frozenset(("preview", "viewer"))

MUTATIONS: dict[str, Action | Own] = {
    "addComment": Action.COMMENT,
    "addCorrection": Action.CORRECT,
    "approveArticle": Action.APPROVE,
    "changePassword": Own.ACCOUNT,
    "createArticle": Action.CREATE_ARTICLE,
    "createAuthor": Action.EDIT_AUTHORS,
    "createPreviewLink": Action.PREVIEW,
    "createSection": Action.EDIT_SECTIONS,
    "createTag": Action.EDIT_TAGS,
    "createToken": Own.ACCOUNT,
    "createUpload": Action.EDIT_MEDIA,
    "deleteAuthor": Action.EDIT_AUTHORS,
    "deleteMedia": Action.EDIT_MEDIA,
    "deleteSection": Action.EDIT_SECTIONS,
    "deleteTag": Action.EDIT_TAGS,
    "endSession": Own.ACCOUNT,
    "endSessions": Own.ACCOUNT,
    "excludeRelated": Action.EXCLUDE_RELATED,
    "finishUpload": Action.EDIT_MEDIA,
    "inviteUser": Action.MANAGE_PEOPLE,
    "lockArticle": Action.EDIT_ARTICLE,
    "mergeTags": Action.EDIT_TAGS,
    "publishArticle": Action.PUBLISH,
    "reinstateArticle": Action.REINSTATE,
    "replaceMedia": Action.EDIT_MEDIA,
    "requestChanges": Action.REQUEST_CHANGES,
    "resolveComment": Action.COMMENT,
    "restoreRevision": Action.EDIT_ARTICLE,
    "retagArticles": Action.EDIT_ARTICLE,
    "revokeToken": Own.ACCOUNT,
    "revokePreviewLink": Action.PREVIEW,
    "scheduleArticle": Action.SCHEDULE,
    "setStoryList": Action.EDIT_LISTS,
    "submitArticle": Action.SUBMIT,
    "transitionArticles": Action.EDIT_ARTICLE,
    "trashArticle": Action.TRASH,
    "unlockArticle": Action.EDIT_ARTICLE,
    "unlockUser": Action.MANAGE_PEOPLE,
    "unmergeTags": Action.EDIT_TAGS,
    "unpublishArticle": Action.UNPUBLISH,
    "unscheduleArticle": Action.UNSCHEDULE,
    "untrashArticle": Action.UNTRASH,
    "updateArticle": Action.EDIT_ARTICLE,
    "updateAuthor": Action.EDIT_AUTHORS,
    "updateEditorial": Action.EDIT_ARTICLE,
    "updateMedia": Action.EDIT_MEDIA,
    "updateSection": Action.EDIT_SECTIONS,
    "updateSite": Action.EDIT_SITE,
    "updateTag": Action.EDIT_TAGS,
    "updateUser": Own.ACCOUNT,
    "uploadFromUrl": Action.EDIT_MEDIA,
    "withdrawArticle": Action.WITHDRAW,
}


SUBSCRIPTIONS: dict[str, Reader] = {
    "articleChanged": Reader.ANYONE,
    "editorialEvents": Reader.STAFF,
}


def check(schema: GraphQLSchema) -> None:
    """Raise for a root field that has no rule, or for a rule that has no field."""
    for kind, declared in (
        (schema.query_type, QUERIES),
        (schema.mutation_type, MUTATIONS),
        (schema.subscription_type, SUBSCRIPTIONS),
    ):
        fields = set(kind.fields) if kind else set()
        if fields != declared.keys():
            missing, left = sorted(fields - declared.keys()), sorted(declared.keys() - fields)
            raise RuntimeError(f"schema/access.py: no rule for {missing}, no field for {left}")
