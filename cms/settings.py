"""The environment, read once into a frozen Settings. Every variable starts with CMS_."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, IPvAnyNetwork, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _default_data_dir() -> Path:
    return Path("/var/lib/copydesk") if os.geteuid() == 0 else Path(".cms").absolute()


def _split(value: Any) -> Any:
    """A list as the environment spells it: with commas."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


Origin = Annotated[str, StringConstraints(pattern=r"^(\*|https?://[a-z0-9.:\[\]-]+)$")]


PurgeUrl = Annotated[
    str, StringConstraints(pattern=r"^(varnish://[\w.:\[\]-]+|(fastly|cloudflare)://[\w.~%-]+@[\w-]+)$")
]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CMS_", frozen=True, extra="ignore")

    database_url: str | None = Field(None, description="postgres://… of an own server; without it, one is embedded")
    data_dir: Path = Field(default_factory=_default_data_dir, description="where the embedded database and files live")
    database_pool_size: int = Field(8, ge=1, description="connections to the database, at most, for each process")
    host: str = Field("127.0.0.1", description="the address `cms serve` listens on")
    port: int = Field(8000, ge=0, le=65535, description="the port `cms serve` listens on; 0 takes any free one")
    public_url: str | None = Field(None, description="where this server is reached; links are built from it")
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="addresses and networks, with commas between, whose X-Forwarded-For is believed"
    )

    smtp_url: str | None = Field(
        None, description="smtp[s]://user:password@host:port that sends invitations and password resets"
    )
    mail_from: str | None = Field(None, description="the sender of those; by default copydesk@ the public host")

    public_introspection: bool | None = Field(
        None, description="the public may ask for the schema; by default only while there is no CMS_PUBLIC_URL"
    )
    public_query_cost: int = Field(10_000, ge=1, description="what a query of the public may cost (X-Query-Cost)")
    known_query_cost: int = Field(50_000, ge=1, description="what a query of staff and of tokens may cost")
    answer_bytes: int = Field(64 * 1024**2, ge=0, description="memory for answers to readers, in bytes; 0 keeps none")
    shared_cache_seconds: int = Field(
        0, ge=0, description="how long caches before us may keep answers to readers without asking; purge them by key"
    )
    purge_urls: Annotated[tuple[PurgeUrl, ...], NoDecode, BeforeValidator(_split)] = Field(
        (),
        description="caches before us that are told what has changed, with commas between: varnish://host:port, "
        "fastly://TOKEN@SERVICE, cloudflare://TOKEN@ZONE",
    )
    trusted_documents_only: bool = Field(
        False, description="the public is answered documents that `cms documents push` has pushed, and no others"
    )
    sockets_per_address: int = Field(
        200,
        ge=1,
        description="WebSockets and event streams that one address may have open at each process; "
        "raise it behind a proxy",
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="sites whose pages may read the API, with commas between: https://www.example.org; * for all"
    )
    cors_credentials: bool = Field(False, description="those pages may send cookies; not together with *")

    media_url: str | None = Field(
        None,
        pattern=r"^(file:///|s3://|gs://|az://).+",
        description="where files are kept: file:///…, s3://bucket, gs://bucket or az://account/container; by default "
        "under the data directory",
    )
    upload_bytes: int = Field(2 * 1024**3, ge=1, description="what one file may weigh")
    picture_bytes: int = Field(100 * 1024**2, ge=1, description="what one picture may weigh")
    upload_bytes_a_day: int = Field(20 * 1024**3, ge=1, description="what one user may upload within 24 hours")
    picture_pixels: int = Field(100_000_000, ge=1, description="the most pixels of a picture, all frames together")
    picture_processes: int = Field(2, ge=1, description="processes that make pictures, at most, for each of ours")
    picture_memory: int = Field(1024**3, ge=2**28, description="the address space of each of these, in bytes")
    picture_seconds: int = Field(30, ge=1, description="how long one picture may take")

    four_eyes: bool = Field(False, description="nobody approves, schedules or publishes an own story")

    @model_validator(mode="after")
    def _no_credentials_for_all(self) -> Self:
        if self.cors_credentials and "*" in self.cors_origins:
            raise ValueError(
                "CMS_CORS_CREDENTIALS with CMS_CORS_ORIGINS=* lets any site act for its visitors: name sites"
            )
        return self

    @property
    def introspection(self) -> bool:
        """Whether the public may ask for the schema, and is told names like the one it mistyped."""
        return self.public_url is None if self.public_introspection is None else self.public_introspection

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, given: Path) -> Path:
        """The processes that read pictures stand elsewhere: a relative path would lead them nowhere."""
        return given.absolute()

    @property
    def base_url(self) -> str:
        """Where this server is reached, without a slash at its end. Never taken from a request."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


@cache
def settings() -> Settings:
    return Settings()
