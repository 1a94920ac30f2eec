"""Images as a broken camera, cable or disk would send them, and as somebody malicious would; from a seed, always the same."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

TYPES = ("image/png", "image/jpeg", "image/bmp", "image/tiff", "image/webp", "text/html", "application/json", "", "*/*")


@dataclass(frozen=True)
class Posted:
    """What a camera posts: bytes, what it says that they are, and what was done to a sound image."""

    content: bytes
    media_type: str
    how: str


def originals() -> dict[str, bytes]:
    """Sound images, all dark, of every format, and of depths and channels that are seldom seen."""
    noise = np.random.default_rng(0).integers(0, 60, (48, 40, 4), dtype=np.uint8)
    rgba = Image.fromarray(noise)
    rgb, grey = rgba.convert("RGB"), rgba.convert("L")
    deep = Image.fromarray(noise[:, :, 0].astype(np.uint16) * 200)
    found: dict[str, bytes] = {}
    for kind, pictures in {
        "PNG": (grey, rgb, rgba, grey.convert("LA"), rgb.quantize(16), grey.convert("1"), deep),
        "JPEG": (grey, rgb, rgb.convert("CMYK")),
        "BMP": (grey, rgb, rgb.quantize(16), grey.convert("1")),
        "TIFF": (grey, rgb, rgba, grey.convert("1"), deep, grey.convert("F"), grey.convert("I"), rgb.convert("CMYK")),
        "WEBP": (rgb, rgba),
    }.items():
        for picture in pictures:
            found[f"{kind} {picture.mode}"] = _encoded(picture, kind)
    found["PNG interlaced"] = _interlaced(noise[:, :, 0])
    found["JPEG progressive"] = _encoded(rgb, "JPEG", progressive=True)
    found["JPEG with EXIF"] = _encoded(rgb, "JPEG", exif=_orientation(6))
    found["WebP lossless"] = _encoded(rgb, "WEBP", lossless=True)
    found["TIFF LZW"] = _encoded(rgb, "TIFF", compression="tiff_lzw")
    found["TIFF deflate"] = _encoded(rgb, "TIFF", compression="tiff_adobe_deflate")
    found["TIFF of two pages"] = _encoded(rgb, "TIFF", save_all=True, append_images=[grey])
    found["GIF"] = _encoded(grey, "GIF")
    found["JPEG 2000"] = cv2.imencode(".jp2", noise[:, :, :3])[1].tobytes()
    return found


def bombs() -> dict[str, bytes]:
    """Few bytes that claim, or hold, very many pixels."""
    return {
        "PNG of 100 megapixels": _encoded(Image.new("1", (10_000, 10_000)), "PNG"),
        "PNG that claims 4 gigapixels": _png(65_535, 65_535, zlib.compress(bytes(1000))),
        "PNG that claims 2^31 - 1 squared": _png(2**31 - 1, 2**31 - 1, zlib.compress(b"")),
        "PNG that unpacks to more than it claims": _png(10, 10, zlib.compress(bytes(20_000_000), 9)),
        "BMP that claims 1 gigapixel": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 32_000, 32_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "BMP of negative width": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -100, -100, 1, 24, 0, 0, 0, 0, 0, 0),
        "TIFF of 60 megapixels": _encoded(Image.new("1", (8000, 8000)), "TIFF", compression="group4"),
        "WebP of 16383 squared": _encoded(Image.new("L", (16_383, 4000)).convert("RGB"), "WEBP", quality=1, method=0),
    }


def mutated(number: int, sound: dict[str, bytes]) -> Posted:
    """The image of that number."""
    random = np.random.default_rng([2026, number])
    name = str(random.choice(list(sound)))
    other = sound[str(random.choice(list(sound)))]
    how = str(random.choice(list(_WAYS)))
    content = _WAYS[how](sound[name], other, random)
    return Posted(content, str(random.choice(TYPES)), f"{number}: {name}, {how}")


def _truncated(content: bytes, _other: bytes, random: Generator) -> bytes:
    return content[: random.integers(0, len(content))]


def _flipped(content: bytes, _other: bytes, random: Generator) -> bytes:
    damaged = bytearray(content)
    for place in random.integers(0, len(content), random.choice([1, 2, 8, 64])):
        damaged[place] ^= 1 << random.integers(8)
    return bytes(damaged)


def _header_edited(content: bytes, _other: bytes, random: Generator) -> bytes:
    damaged = bytearray(content)
    for place in random.integers(0, min(len(content), 80), random.integers(1, 5)):
        damaged[place] = random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, random.integers(256)])
    return bytes(damaged)


def _spliced(content: bytes, other: bytes, random: Generator) -> bytes:
    return content[: random.integers(1, len(content))] + other[random.integers(0, len(other)) :]


def _polyglot(content: bytes, other: bytes, random: Generator) -> bytes:
    page = b"<html><script>alert(1)</script></html>"
    return [content + other, other[:64] + content, page + content, content + page, b"PK\x03\x04" + content][
        random.integers(5)
    ]


def _cut_out(content: bytes, _other: bytes, random: Generator) -> bytes:
    start = random.integers(0, len(content))
    return content[:start] + content[start + random.integers(1, 200) :]


def _blanked(content: bytes, _other: bytes, random: Generator) -> bytes:
    start, length = random.integers(0, len(content)), random.integers(1, 200)
    return content[:start] + bytes([random.choice([0, 255])]) * length + content[start + length :]


def _doubled(content: bytes, _other: bytes, random: Generator) -> bytes:
    start = random.integers(0, len(content))
    piece = content[start : start + random.integers(1, 300)]
    return content[:start] + piece * int(random.integers(2, 20)) + content[start + len(piece) :]


def _rubbish(_content: bytes, _other: bytes, random: Generator) -> bytes:
    return random.bytes(int(random.integers(0, 2000)))


def _untouched(content: bytes, _other: bytes, _random: Generator) -> bytes:
    return content


_WAYS: dict[str, Callable[[bytes, bytes, Generator], bytes]] = {
    "truncated": _truncated,
    "bits flipped": _flipped,
    "header edited": _header_edited,
    "spliced": _spliced,
    "polyglot": _polyglot,
    "cut out": _cut_out,
    "blanked": _blanked,
    "doubled": _doubled,
    "rubbish": _rubbish,
    "untouched": _untouched,
}


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, pixels: bytes, interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _interlaced(grey: np.ndarray) -> bytes:
    """Adam7, which neither Pillow nor OpenCV writes."""
    height, width = grey.shape
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = (row for y, x, dy, dx in passes for row in grey[y::dy, x::dx])
    return _png(width, height, zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), 1)
