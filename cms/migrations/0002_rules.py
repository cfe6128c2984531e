"""What Tortoise's migrations do not make: constraints of new models, the derived index tables, the append-only log,
the one row of the site."""

from __future__ import annotations

from tortoise import migrations
from tortoise.contrib.postgres.indexes import GinIndex
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import UniqueConstraint

CONSTRAINTS = """
alter table "user" add constraint user_email_lower check (email = lower(email));
alter table token add constraint token_digest unique (digest);
alter table token add constraint token_write_acts_as_user check ((scope = 'WRITE') = (user_id is not null));
alter table media add constraint media_byte_size check (byte_size >= 0);
alter table media add constraint media_focal_point check ((focal_x is null) = (focal_y is null));
alter table media add constraint media_focal_range check (focal_x between 0 and 1 and focal_y between 0 and 1);
alter table section add constraint section_not_its_parent check (parent_id <> id);
alter table site add constraint site_one_row check (single);
alter table site add constraint site_own_locale check (locale = any(locales));
alter table slug add constraint slug_once unique (kind, locale, slug);
alter table article add constraint article_origin_key unique (origin_key);
alter table article add constraint article_version check (version > 0);
alter table article add constraint article_gone check ((gone_at is null) = (gone_reason is null));
alter table article add constraint article_pinned_schedule
    check ((publish_at is null) = (scheduled_revision_id is null));
alter table article add constraint article_schedule_order check (publish_at < unpublish_at);
alter table revision add constraint revision_number unique (article_id, number);
alter table revision add constraint revision_number_positive check (number > 0);
alter table live add constraint live_slug unique (locale, slug)
"""

# What is listed under a tag, an author or a section and those above it. Keys end in article_id, so that a page of a
# list is one backward scan of the primary key, however long the list.
TERMS = """
create table live_term (
    term_id uuid not null,
    published_at timestamptz not null,
    article_id uuid not null references live (article_id) on delete cascade,
    primary key (term_id, published_at, article_id)
);
create index live_term_article on live_term (article_id);
create table head_term (
    term_id uuid not null,
    updated_at timestamptz not null,
    article_id uuid not null references head (article_id) on delete cascade,
    primary key (term_id, updated_at, article_id)
);
create index head_term_article on head_term (article_id)
"""

# Few stories are scheduled: what is due, and what a schedule pins, is found without looking at the others.
SCHEDULES = """
create index article_publish_at on article (publish_at) where publish_at is not null;
create index article_unpublish_at on article (unpublish_at) where unpublish_at is not null;
create index article_scheduled_revision on article (scheduled_revision_id) where scheduled_revision_id is not null
"""

APPEND_ONLY = [
    """
    create function refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
    end $$
    """,
    "create trigger event_append_only before update or delete on event for each row execute function refuse_change()",
    "create trigger correction_append_only before update or delete on correction "
    "for each row execute function refuse_change()",
]

SITE = """
insert into site (single, name, url, locale, locales, time_zone, social_links)
values (true, 'Newsroom', 'http://localhost:8000', 'en', '{en}', 'UTC', '[]')
"""


class Migration(migrations.Migration):
    dependencies = [("cms", "0001_initial")]
    initial = False

    operations = [
        *(ops.RunSQL(statement.strip()) for statement in (CONSTRAINTS + ";" + TERMS + ";" + SCHEDULES).split(";")),
        *(ops.RunSQL(statement) for statement in APPEND_ONLY),
        ops.RunSQL(SITE),
        # Changes nothing in the database: how Tortoise spells a one-to-one primary key, in a new model and later.
        ops.AlterModelOptions(
            name="Head",
            options={
                "table": "head",
                "app": "cms",
                "indexes": [
                    Index(fields=["updated_at", "article_id"], name="head_updated"),
                    Index(fields=["headline", "article_id"], name="head_headline"),
                    Index(fields=["revision_id"], name="head_revision"),
                    Index(fields=["section_id"], name="head_section"),
                    Index(fields=["lead_media_id"], name="head_lead_media"),
                    GinIndex(fields=["author_ids"], name="head_authors"),
                    GinIndex(fields=["tag_ids"], name="head_tags"),
                    GinIndex(fields=["related_ids"], name="head_related"),
                    GinIndex(fields=["body_media_ids"], name="head_body_media"),
                    GinIndex(fields=["body_article_ids"], name="head_body_articles"),
                ],
                "pk_attr": "article_id",
                "table_description": "The working copy: the newest revision of an article.",
            },
        ),
        ops.AlterModelOptions(
            name="Live",
            options={
                "table": "live",
                "app": "cms",
                "constraints": [UniqueConstraint(fields=("locale", "slug"), name="live_slug")],
                "indexes": [
                    Index(fields=["published_at", "article_id"], name="live_published"),
                    Index(fields=["updated_at", "article_id"], name="live_updated"),
                    Index(fields=["headline", "article_id"], name="live_headline"),
                    Index(fields=["translation_group"], name="live_translation_group"),
                    Index(fields=["revision_id"], name="live_revision"),
                    Index(fields=["section_id"], name="live_section"),
                    Index(fields=["lead_media_id"], name="live_lead_media"),
                    GinIndex(fields=["author_ids"], name="live_authors"),
                    GinIndex(fields=["tag_ids"], name="live_tags"),
                    GinIndex(fields=["related_ids"], name="live_related"),
                    GinIndex(fields=["body_media_ids"], name="live_body_media"),
                    GinIndex(fields=["body_article_ids"], name="live_body_articles"),
                ],
                "pk_attr": "article_id",
                "table_description": "What readers see; the row is deleted when the story is taken from them.",
            },
        ),
    ]
