"""Six renditions of a picture of 24 megapixels, by us, by sharp (npm) and by Pillow, and how fast one that is stored is
served. python -m tests.benchmarks.media
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from cms import database, embedded, media
from cms.media import pictures
from cms.permissions import SYSTEM
from cms.settings import Settings, settings
from tests.benchmarks.load import measure
from tests.benchmarks.running import serving
from tests.pictures import large

SIZES = ((320, 213), (640, 427), (960, 640), (1280, 853), (1920, 1280), (1200, 630))
RUNS = 3

_SHARP = """
const sharp = require('sharp');
const sizes = %s;
process.stdin.once('data', async () => {
  await Promise.all(sizes.map(([w, h], i) => sharp(process.argv[2]).rotate().resize(w, h)
    .FORMAT.toFile(`${process.argv[3]}/sharp-${i}`)));
  console.log(sharp.versions.sharp);
  process.exit();
});
console.log('ready');
"""
_PILLOW = """
import sys
from PIL import Image, ImageOps
print("ready", flush=True)
sys.stdin.readline()
for number, size in enumerate(%s):
    with Image.open(sys.argv[1]) as image:
        image.draft("RGB", size)
        image = ImageOps.exif_transpose(image)
        ImageOps.fit(image, size, Image.Resampling.LANCZOS).save(f"{sys.argv[2]}/pillow-{number}", FORMAT)
print(Image.__version__, flush=True)
"""
_FORMATS = {
    "webp": ("webp({quality: 80, effort: 4})", '"WEBP", quality=80, method=4'),
    "jpeg": (
        "jpeg({quality: 80, progressive: true, optimiseCoding: true})",
        '"JPEG", quality=80, progressive=True, optimize=True',
    ),
    "avif": ("avif({quality: 55, effort: 2, chromaSubsampling: '4:2:0'})", '"AVIF", quality=55, speed=7'),
}


class Peak:
    """The most memory that the children of this process held at a time, in MB."""

    def __init__(self) -> None:
        self._idle, self.bytes, self._done = _children(), 0, threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()

    def _look(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, _children())

    def stop(self) -> float:
        self._done.set()
        self._watch.join()
        return self.bytes / 1e6


def _children() -> int:
    return memory_of(os.getpid()) - _held(os.getpid())


def memory_of(pid: int) -> int:
    """What a process and all below it hold, the database aside, in bytes."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
    family = {pid}
    for each in sorted(parents):
        if parents[each] in family:
            family.add(each)
    return sum(_held(each) for each in family)


def _held(pid: int) -> int:
    try:
        if b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
            return 0
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


async def ours(source: Path, out: Path, format: str) -> tuple[float, float]:
    quality = 55 if format == "avif" else 80

    async def render(number: int, size: tuple[int, int]) -> None:
        wish = pictures.Wish(*size, format=format, quality=quality, focal=(0.5, 0.5))
        await pictures.render(source, out / f"ours-{number}", wish)

    peak, start = Peak(), time.perf_counter()
    await asyncio.gather(*(render(number, size) for number, size in enumerate(SIZES)))
    return time.perf_counter() - start, peak.stop()


def other(command: list[str]) -> tuple[float, float]:
    """A process is started and has imported what it needs before the clock runs, and is as nice to others, as ours."""
    with subprocess.Popen(
        ["nice", "-n", "5", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        peak, start = Peak(), time.perf_counter()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline()
        took = time.perf_counter() - start
        return took, peak.stop()


def best(run: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    runs = [run() for _ in range(RUNS)]
    return min(took for took, _ in runs), max(memory for _, memory in runs)


async def compare(source: Path, directory: Path) -> None:
    npm = directory / "npm"
    npm.mkdir()
    subprocess.run(["npm", "install", "--silent", "--prefix", str(npm), "sharp"], check=True, stdout=subprocess.DEVNULL)
    print(f"{'six renditions, s (peak MB)':<32}{'Copydesk':>16}{'sharp':>16}{'Pillow ' + version('pillow'):>16}")
    for format, (sharp, pillow) in _FORMATS.items():
        (npm / "bench.js").write_text(_SHARP.replace("FORMAT", sharp) % [list(size) for size in SIZES])
        script = _PILLOW.replace("FORMAT", pillow) % (SIZES,)
        await ours(source, directory, format)  # the processes are started and warm
        own = [await ours(source, directory, format) for _ in range(RUNS)]
        cells = [
            (min(took for took, _ in own), max(memory for _, memory in own)),
            best(lambda: other(["node", str(npm / "bench.js"), str(source), str(directory)])),
            best(lambda script=script: other([sys.executable, "-c", script, str(source), str(directory)])),  # type: ignore[misc]
        ]
        print(f"{format:<32}" + "".join(f"{f'{took:.2f} ({memory:.0f})':>16}" for took, memory in cells))


async def serve(directory: Path) -> None:
    """One stored rendition, over and over."""
    with embedded.running(directory / "data", durable=False) as url:
        async with database.open(Settings(database_url=url)):
            await database.migrate()
            row = await media.add_image(SYSTEM, large(2), filename="a.jpg")
            found = media.url(row, width=640, format=media.Format.WEBP) or ""
            path = found.removeprefix(settings().base_url)
        with serving("cms.app:create_app", url, "--factory") as port:
            request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
            got = await measure(port, lambda n: request)
            print(f"a stored rendition of {got.bytes:,} bytes: {got.per_second:,.0f} a second, p99 {got.p99:.1f} ms")


async def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    directory.chmod(0o711)
    os.environ["CMS_DATA_DIR"] = str(directory / "files")
    try:
        source = directory / "source.jpg"
        source.write_bytes(large())
        await compare(source, directory)
        await serve(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
