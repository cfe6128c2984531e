"""An ASGI application as `cms serve` has uvicorn serve it: python -m tests.benchmarks.served APP PORT [--factory]"""

from __future__ import annotations

import sys

import uvicorn

from cms.http.server import UVICORN

if __name__ == "__main__":
    app, port, *more = sys.argv[1:]
    uvicorn.run(app, port=int(port), factory=more == ["--factory"], log_level="warning", **UVICORN)
