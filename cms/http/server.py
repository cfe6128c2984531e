"""The HTTP protocol that `cms serve` speaks: uvicorn's, for clients that take their time on purpose too."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# How long the head of a request may take, from the connection or its first byte on. The body's time is its reader's
# matter: a query has seconds, a film has hours.
HEAD_SECONDS = 10
# How long a client may take nothing of what is sent to it, neither of an answer nor of a stream. Until then it waits in
# memory; a client that takes a little now and then, as over a bad line, may go on.
STALLED_SECONDS = 30


@contextmanager
def before_stopping(work: Callable[[], None]) -> Iterator[None]:
    """Do this as soon as we are told to stop: uvicorn waits for what is open before the lifespan ends."""
    if threading.current_thread() is not threading.main_thread():  # as in tests: only there are signals heard
        yield
        return
    loop = asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(work)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)


def _cut_when_stalled(transport: Transport) -> None:
    """Closing would not do: that waits until everything was sent. Only Linux knows such a limit."""
    peer = transport.get_extra_info("socket")
    if hasattr(socket, "TCP_USER_TIMEOUT") and peer.family in (socket.AF_INET, socket.AF_INET6):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_SECONDS * 1000))


class PatientProtocol(HttpToolsProtocol):
    """Closes a connection whose next request does not get past its head in time, or whose client no longer reads, also
    once it is a WebSocket; uvicorn has no such limits."""

    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _cut_when_stalled(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Most heads come whole: they need no timer. Nor does a WebSocket, which speaks another protocol by now.
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not is_answering and self._deadline is None and self.transport.get_protocol() is self:
            self._expect_head()

    def on_headers_complete(self) -> None:
        self._forget()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


# How uvicorn serves.
UVICORN: dict[str, Any] = {
    "http": PatientProtocol,
    "lifespan": "on",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # What a proxy says of its client counts only from CMS_TRUSTED_PROXIES, and is read where it is needed.
    "proxy_headers": False,
}
