"""Pictures in other sizes: which there are, what they look like, and how they are served (U3, U5, U6)."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
import pyvips

from cms import clock
from cms.media import pictures as processes
from cms.media import shown
from cms.models import Media
from tests import pictures
from tests.factories import make_article, publish
from tests.library import Sender, stored
from tests.test_media_uploads import WEBM

XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/">
<rdf:Description rdf:about="" photoshop:Credit="M. Saarinen / Agency" photoshop:Instructions="Not before Sunday">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">The harbour at noon</rdf:li></rdf:Alt></dc:description>
<dc:creator><rdf:Seq><rdf:li>Mika Saarinen</rdf:li><rdf:li>Ida Berg</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Agency</rdf:li></rdf:Alt></dc:rights>
<dc:subject><rdf:Bag><rdf:li>harbour</rdf:li><rdf:li>ships</rdf:li></rdf:Bag></dc:subject>
<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">Print only</rdf:li></rdf:Alt></xmpRights:UsageTerms>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
IIM = pictures.iim((120, "Der Hafen für alle".encode()), (110, b"Agency"), (25, b"Hafen"), (25, b"Schiffe"))


async def ask(sender: Sender, id: str, field: str) -> bytes:
    response = await sender.fetch(await sender.ask(id, field))
    assert response.status_code == 200
    return response.content


async def send(sender: Sender, image: pyvips.Image, suffix: str = ".png", **options: Any) -> str:
    found = await sender.send(pictures.encoded(image, suffix, **options))
    assert found["__typename"] == "Media", found
    return str(found["id"])


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ("format: PNG", (120, 80)),
        ("width: 60", (60, 40)),
        ("height: 20", (30, 20)),
        ("width: 60, height: 60", (60, 60)),
        ("width: 60, height: 60, fit: CONTAIN", (60, 40)),
        ("width: 1200", (120, 80)),
        ("width: 1200, height: 1200", (80, 80)),
        ("width: 200, height: 50", (120, 30)),
        ("width: 1, height: 1", (1, 1)),
        ("width: 7", (7, 5)),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF"])
async def test_sizes(sender: Sender, arguments: str, size: tuple[int, int], format: str) -> None:
    id = await send(sender, pictures.quarters())
    arguments = arguments.replace("format: PNG", "quality: 50")
    data = await ask(sender, id, f"url({arguments}, format: {format})")
    assert pictures.size(data) == size


async def test_what_cannot_be_is_refused(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    for field in (
        "url(width: 0)",
        "url(width: -1)",
        "url(height: 9000)",
        "url(quality: 101)",
        "srcSet(widths: [])",
        f"srcSet(widths: [{', '.join(map(str, range(1, 22)))}])",
        "srcSet(aspectRatio: 0)",
    ):
        document = f'{{ node(id: "{id}", perspective: DRAFT) {{ ... on Media {{ {field} }} }} }}'
        assert await sender.api.errors(document, actor=sender.actor) == ["INVALID"], field


async def test_the_focal_point_stays_in_view(sender: Sender) -> None:
    id = await send(sender, pictures.quarters(120, 80))
    field = "url(width: 20, height: 60, format: PNG)"
    for x, y, at_top in ((0.0, 0.5, pictures.RED), (1.0, 0.5, pictures.GREEN)):
        input = {"id": id, "focalPoint": {"x": x, "y": y}}
        await sender.api.write("updateMedia", input, actor=sender.actor)
        data = await ask(sender, id, field)
        assert pictures.seen(data, 0.5, 0.2) == at_top


async def test_a_use_has_a_focal_point_and_words_of_its_own(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    await sender.api.write(
        "updateMedia", {"id": id, "caption": "Library", "focalPoint": {"x": 0, "y": 0}}, actor=sender.actor
    )
    created = await sender.api.write(
        "createArticle",
        {"headline": "x", "leadMedia": {"mediaId": id, "altText": "Here", "focalPoint": {"x": 1, "y": 1}}},
        """... on Article { leadMedia { altText caption focalPoint { x y } url(width: 20, height: 60, format: PNG)
        srcSet(widths: [10, 20], aspectRatio: 1, format: PNG) media { focalPoint { x } } } }""",
        actor=sender.actor,
    )
    use = created["leadMedia"]
    assert (use["altText"], use["caption"]) == ("Here", "Library")
    assert use["focalPoint"] == {"x": 1, "y": 1}
    assert use["media"]["focalPoint"] == {"x": 0}
    data = (await sender.fetch(use["url"])).content
    assert pictures.seen(data, 0.5, 0.2) == pictures.GREEN
    first = (await sender.fetch(use["srcSet"].split(" ")[0])).content
    assert pictures.size(first) == (10, 10)
    assert pictures.seen(first, 0.9, 0.1) == pictures.GREEN


async def test_src_set(sender: Sender) -> None:
    id = await send(sender, pictures.quarters(1000, 500))
    plain = await sender.ask(id, "srcSet")
    assert [each.split(" ")[1] for each in plain.split(", ")] == ["320w", "640w", "960w", "1000w"]
    square = await sender.ask(id, "srcSet(widths: [100, 100, 400, 5000], aspectRatio: 1, format: JPEG)")
    found = dict(reversed(each.split(" ")) for each in square.split(", "))
    assert list(found) == ["100w", "400w", "500w"]
    for width, url in found.items():
        assert pictures.size((await sender.fetch(url)).content) == (int(width[:-1]), int(width[:-1]))


async def test_the_same_wish_has_the_same_address(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    first = await sender.ask(id, "url(width: 60)")
    assert await sender.ask(id, "url(width: 60, height: 40)") == first
    await sender.api.write("updateMedia", {"id": id, "altText": "Other words"}, actor=sender.actor)
    assert await sender.ask(id, "url(width: 60)") == first
    await sender.api.write("updateMedia", {"id": id, "credit": "Somebody"}, actor=sender.actor)
    assert await sender.ask(id, "url(width: 60)") != first
    old = await sender.fetch(first)  # pages that were made before
    assert (old.status_code, old.headers["cache-control"]) == (200, "public, max-age=60")


async def test_U5_nobody_can_ask_for_what_was_not_handed_out(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    url = await sender.ask(id, "url(width: 60, format: PNG)")
    base, media, version, spec, signature, name = url.rsplit("/", 5)
    before = await stored()
    for n in range(300):
        other = spec.replace("60x", f"{61 + n}x")
        assert (await sender.fetch("/".join((base, media, version, other, signature, name)))).status_code == 404
    for broken in (
        (base, media, "0" * 12, spec, signature, name),
        (base, media, version, spec, signature[:-1] + ("B" if signature.endswith("A") else "A"), name),
        (base, media, version, "original.png", signature, name),
        (base, media, version, "..%2f..%2fx.png", signature, name),
        (base, "x", version, spec, signature, name),
    ):
        assert (await sender.fetch("/".join(broken))).status_code == 404
    assert await stored() == before
    assert (await sender.fetch(url)).status_code == 200


async def test_a_rendition_is_made_once(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    render = processes.render

    async def counted(*arguments: Any) -> None:
        made.append(arguments)
        await render(*arguments)

    monkeypatch.setattr(processes, "render", counted)
    id = await send(sender, pictures.quarters(600, 400))
    url = await sender.ask(id, "url(width: 300, format: WEBP)")
    answers = await asyncio.gather(*(sender.fetch(url) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(made) == 1
    assert len(await stored("renditions/")) == 1
    assert answers[0].headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-disposition" in answers[0].headers
    again = await sender.fetch(url, if_none_match=answers[0].headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        ("image/avif,image/webp,image/apng,*/*;q=0.8", "image/avif"),
        ("image/webp,*/*", "image/webp"),
        ("*/*", "image/jpeg"),
        ("", "image/jpeg"),
        ("image/avif;q=0, image/webp", "image/webp"),
    ],
)
async def test_auto_is_what_the_client_can_read(sender: Sender, accept: str, type: str) -> None:
    id = await send(sender, pictures.quarters())
    answer = await sender.fetch(await sender.ask(id, "url(width: 60)"), accept=accept)
    assert answer.headers["content-type"] == type
    assert "Accept" in answer.headers["vary"].split(", ")
    assert pictures.size(answer.content) == (60, 40)


async def test_an_animation_moves_where_it_can(sender: Sender) -> None:
    found = await sender.send(pictures.animated(3))
    assert (found["width"], found["height"]) == (60, 40)
    auto = await sender.ask(found["id"], "url(width: 30, height: 30)")
    moving = await sender.fetch(auto, accept="image/avif,image/webp")
    assert moving.headers["content-type"] == "image/webp"
    image = pictures.read(moving.content)
    assert (image.get("n-pages"), pictures.size(moving.content)) == (3, (30, 30))
    assert image.get("delay") == [100, 100, 100]
    still = await sender.fetch(auto)
    assert still.headers["content-type"] == "image/jpeg"
    assert pictures.size(still.content) == (30, 30)


def _cmyk() -> pyvips.Image:
    return pictures.quarters().colourspace("cmyk", source_space="srgb")


VARIETIES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "16 bits": (lambda: pictures.quarters().colourspace("rgb16"), ".png", {}),
    "16 bits, TIFF": (lambda: pictures.quarters().colourspace("rgb16"), ".tif", {}),
    "palette": (pictures.quarters, ".png", {"palette": True}),
    "CMYK": (_cmyk, ".jpg", {}),
    "CMYK, TIFF": (_cmyk, ".tif", {}),
    "wide gamut": (lambda: pictures.quarters().icc_transform("p3", input_profile="srgb"), ".jpg", {}),
    "interlaced": (pictures.quarters, ".png", {"interlace": True}),
    "progressive": (pictures.quarters, ".jpg", {"interlace": True}),
    "alpha": (lambda: pictures.quarters().bandjoin(255), ".webp", {"lossless": True}),
    "GIF": (pictures.quarters, ".gif", {}),
}


@pytest.mark.parametrize("variety", VARIETIES)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "AVIF"])
async def test_varieties_become_the_picture_that_was_meant(sender: Sender, variety: str, format: str) -> None:
    image, suffix, options = VARIETIES[variety]
    id = await send(sender, image(), suffix, **options)
    data = await ask(sender, id, f"url(width: 60, format: {format})")
    served = pictures.read(data)
    assert served.interpretation == "srgb"
    assert served.format == "uchar"
    assert pictures.seen(data, 0.25, 0.25) == pictures.RED
    assert pictures.seen(data, 0.75, 0.25) == pictures.GREEN
    assert pictures.seen(data, 0.75, 0.75) == pictures.BLUE
    assert pictures.seen(data, 0.25, 0.75) == pictures.WHITE


async def test_grey_pictures_and_see_through_ones(sender: Sender) -> None:
    grey = await send(sender, pictures.quarters().colourspace("b-w"))
    assert pictures.size(await ask(sender, grey, "url(width: 60, format: JPEG)")) == (60, 40)
    clear = await send(sender, pictures.quarters().bandjoin(0))
    data = pictures.read(await ask(sender, clear, "url(format: JPEG)"))
    assert data.getpoint(5, 5) == [255, 255, 255]
    assert pictures.read(await ask(sender, clear, "url(format: PNG)")).hasalpha()


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "PNG"])
async def test_U6_nothing_of_the_camera_is_served_but_the_credit_is(sender: Sender, format: str) -> None:
    found = await sender.send(pictures.with_metadata(xmp=XMP, iptc=IIM, gps=True))
    data = await ask(sender, found["id"], f"url(width: 60, format: {format})")
    for secret in (b"SecretCam", b"GPS", b"Exif", b"Sunday", b"Mika", b"harbour"):
        assert secret not in data
    served = pictures.read(data)
    assert [name for name in served.get_fields() if name.startswith("exif")] == []
    packet = bytes(served.get("xmp-data")).decode()
    assert "M. Saarinen / Agency" in packet
    assert "(c) Agency" in packet


async def test_what_agencies_write_fills_the_fields(sender: Sender) -> None:
    found = await sender.send(pictures.with_metadata(xmp=XMP, iptc=IIM))
    row = await Media.get()
    assert (row.caption, row.credit) == ("The harbour at noon", "M. Saarinen / Agency")
    assert (row.creator, row.copyright_holder) == ("Mika Saarinen, Ida Berg", "(c) Agency")
    assert (row.usage_terms, row.instructions) == ("Print only", "Not before Sunday")
    assert row.keywords == ["harbour", "ships"]
    assert await sender.ask(found["id"], "instructions") == "Not before Sunday"
    by_iim = await sender.send(pictures.with_metadata(iptc=IIM), caption="My own words")
    row = await Media.get(filename="a.jpg", sha256__not=row.sha256)
    assert (row.caption, row.credit, row.keywords) == ("My own words", "Agency", ["Hafen", "Schiffe"])
    assert by_iim["caption"] == "My own words"


async def test_U9_a_packet_with_entities_is_void(sender: Sender) -> None:
    evil = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + XMP.replace(b"The harbour", b"&e; The harbour")
    found = await sender.send(pictures.with_metadata(xmp=evil))
    assert found["__typename"] == "Media"
    assert (await Media.get()).caption is None


async def test_readers_get_no_instructions_and_no_original(sender: Sender) -> None:
    found = await sender.send(pictures.with_metadata(xmp=XMP))
    media = await Media.get()
    story = await make_article(lead_media={"media_id": media.id})
    await publish(story.article_id)
    document = """query($id: ID!) { node(id: $id) { ... on Media {
        url originalUrl instructions creator keywords usageTerms filename usedIn { nodes { id } } } } }"""
    seen = (await sender.api(document, id=found["id"]))["node"]
    assert seen.pop("url") is not None
    assert set(seen.values()) == {None}


async def test_rights_end(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    url = await sender.ask(id, "url(width: 60, format: PNG)")
    assert (await sender.fetch(url)).status_code == 200
    ends = clock.now() + timedelta(hours=1)
    await sender.api.write("updateMedia", {"id": id, "expiresAt": ends.isoformat()}, actor=sender.actor)
    cache = (await sender.fetch(url)).headers["cache-control"]
    seconds = re.fullmatch(r"public, max-age=(\d+), must-revalidate", cache)
    assert seconds is not None
    assert 3500 < int(seconds[1]) <= 3600
    await sender.api.write("updateMedia", {"id": id, "expiresAt": clock.now().isoformat()}, actor=sender.actor)
    assert (await sender.fetch(url)).status_code == 404
    assert await sender.ask(id, "url") is None
    assert await sender.ask(id, "srcSet") is None
    assert (await sender.fetch(await sender.ask(id, "originalUrl"))).status_code == 200


async def test_a_row_without_its_file_is_no_failure(sender: Sender) -> None:
    id = await send(sender, pictures.quarters())
    row = await Media.get()
    await Media.filter(id=row.id).update(sha256=b"x" * 32)
    shown.forget(row.id)
    assert (await sender.fetch(await sender.ask(id, "url"))).status_code == 404


async def test_ranges_of_a_film(sender: Sender) -> None:
    data = WEBM + bytes(range(256)) * 2000
    end = len(data)
    found = await sender.send(data, "film.webm")
    whole = await sender.fetch(found["url"])
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["accept-ranges"] == "bytes"
    for asked, first, beyond in (("0-99", 0, 100), ("99-199", 99, 200), ("50000-", 50_000, end), ("-9", end - 9, end)):
        part = await sender.fetch(found["url"], range=f"bytes={asked}")
        assert part.status_code == 206
        assert part.content == data[first:beyond]
        assert part.headers["content-range"] == f"bytes {first}-{beyond - 1}/{end}"
        assert part.headers["content-type"] == "video/webm"
    assert (await sender.fetch(found["url"], range=f"bytes={end}-")).status_code == 416
