"""Ports for servers that tests start."""

from __future__ import annotations

import socket
from random import SystemRandom

# Below those that systems give to connections on their way out: one of these may take a port that was free just now.
_FIRST, _LAST = 20_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """One that nobody listens at, another each time."""
    while True:
        port = SystemRandom().randint(_FIRST, _LAST)
        if port not in _given:
            with socket.socket() as taken:
                try:
                    taken.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _given.add(port)
            return port
