"""One worker: a JSON line on stdin is a task, a JSON line on stdout its outcome. Ends with its stdin.

Arguments: the most address space that it may take, in bytes; the most pixels; the most frames.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from cms.vips import engine


def main() -> None:
    memory, pixels, frames = map(int, sys.argv[1:4])
    outcome = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no outcome
    _confine(memory)
    engine.allow_only_known_loaders()
    limits = engine.Limits(pixels, frames)
    for line in sys.stdin:
        print(json.dumps(_done(json.loads(line), limits)), file=outcome, flush=True)


def _confine(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # readers first


def _done(task: dict[str, Any], limits: engine.Limits) -> dict[str, Any]:
    try:
        if task["do"] == "examine":
            return {"examined": engine.examine(task["path"], limits)}
        wish = engine.Wish(**{**task["wish"], "focal": tuple(task["wish"]["focal"])})
        engine.render(task["path"], task["target"], wish, limits)
        return {"rendered": os.path.getsize(task["target"])}
    except engine.Refused as refused:
        return {"refused": [refused.code, str(refused)]}
    except MemoryError:
        return {"refused": ["too_large", "The picture needs more memory than there is for one: send it smaller."]}
    except Exception as error:  # noqa: BLE001 - the picture's fault or ours: the next one has nothing to do with it
        return {"failed": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
