"""Who works here, how they are let in, and how that ends: users, passwords, sessions, tokens, links, counted tries."""

from __future__ import annotations

from cms.accounts.credentials import (
    Kind,
    actor_of,
    authenticate,
    authenticate_session,
    digest,
    new_secret,
    still_valid,
)
from cms.accounts.links import ask_for_reset, forget_expired, new_link, redeem, send_due
from cms.accounts.passwords import MAX_PASSWORD, MIN_PASSWORD, hash_password, verify_password
from cms.accounts.sessions import Opened, Visit, end_session, end_sessions, own_sessions, sign_in, sign_out
from cms.accounts.tokens import create_token, issue_token, revoke_token, tokens_of
from cms.accounts.users import by_email, change_password, create_user, invite_user, normal_email, unlock, update_user

__all__ = [
    "MAX_PASSWORD",
    "MIN_PASSWORD",
    "Kind",
    "Opened",
    "Visit",
    "actor_of",
    "ask_for_reset",
    "authenticate",
    "authenticate_session",
    "by_email",
    "change_password",
    "create_token",
    "create_user",
    "digest",
    "end_session",
    "end_sessions",
    "forget_expired",
    "hash_password",
    "invite_user",
    "issue_token",
    "new_link",
    "new_secret",
    "normal_email",
    "own_sessions",
    "redeem",
    "revoke_token",
    "send_due",
    "sign_in",
    "sign_out",
    "still_valid",
    "tokens_of",
    "unlock",
    "update_user",
    "verify_password",
]
