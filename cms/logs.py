"""The log of a process: lines on stderr, one an event. JSON where a program reads them, words on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper("iso", utc=True),
]
# Never with local variables: passwords and tokens are among them.
_TRACES = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure() -> None:
    """For our own log and that of every library. Control characters are escaped: no line can pretend to be another."""
    terminal = sys.stderr.isatty()
    printing: list[Processor] = (
        [_printable, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if terminal
        else [_TRACES, _without_values, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *printing],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _printable(logger: Any, method: str, event: EventDict) -> EventDict:
    return {
        name: value.encode("unicode_escape").decode() if isinstance(value, str) and not value.isprintable() else value
        for name, value in event.items()
    }


def _without_values(logger: Any, method: str, event: EventDict) -> EventDict:
    """What PostgreSQL adds to an error in lines of its own can hold what somebody wrote."""
    for trace in event.get("exception") or ():
        if isinstance(trace, MutableMapping):
            trace["exc_value"] = str(trace.get("exc_value", "")).partition("\n")[0]
    return event
