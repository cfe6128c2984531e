"""Documents of clients that are trusted: sent once, by an operator, and asked for by id."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class TrustedDocument(Model):
    """One document. What an id means never changes: another text has another id."""

    id = fields.CharField(200, primary_key=True, description="what clients ask for it by")
    name = fields.TextField(description="of its operation, for people; empty where it has none")
    text = fields.TextField()
    shared_seconds: int | None = fields.IntField(
        null=True, description="how long caches before us may keep its answers; null: as long as any other's"
    )
    pushed_at = fields.DatetimeField()

    class Meta:
        table = "trusted_document"
