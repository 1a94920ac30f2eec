"""The one way from image bytes to the model's input: decode, then prepare. Training, evaluation and serving all call it."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from pydantic import Field

from data.errors import UnreadableImageError
from data.record import Record

Pixels = NDArray[np.uint8]

MOST_PIXELS = 64_000_000

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}

# Pillow opens a multi-picture JPEG (MPO) as JPEG first.
_FORMATS = [kind for kind in MEDIA_TYPES if kind != "MPO"]

# OpenCV turns TIFF frames upright by itself whatever the flags; for the others it leaves that to us (IMREAD_UNCHANGED).
_TURN: dict[int, tuple[int | None, int | None]] = {
    2: (None, 1),
    3: (cv2.ROTATE_180, None),
    4: (None, 0),
    5: (cv2.ROTATE_90_CLOCKWISE, 1),
    6: (cv2.ROTATE_90_CLOCKWISE, None),
    7: (cv2.ROTATE_90_COUNTERCLOCKWISE, 1),
    8: (cv2.ROTATE_90_COUNTERCLOCKWISE, None),
}

# Broken frames are answered with a reason; OpenCV's own lines on stderr would only flood the log.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


# libjpeg scales while it decodes, at no cost; these flags leave turning to us, as IMREAD_UNCHANGED does.
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION,
    4: cv2.IMREAD_REDUCED_COLOR_4 | cv2.IMREAD_IGNORE_ORIENTATION,
    8: cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION,
}


class Preprocessing(Record):
    """How a frame becomes model input: stretched to `width` x `height` pixels, area-averaged when it shrinks.

    A JPEG that is much larger is decoded at a half, a quarter or an eighth of its size, as `reduction` says.
    """

    width: int = Field(ge=32, le=2048)
    height: int = Field(ge=32, le=2048)
    resize: Literal["stretch"] = "stretch"


# OpenCV takes what it could decode of these for the whole image.
_DECODED_IN_PART = frozenset({"image/tiff", "image/webp"})

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AROUND_A_CHUNK = 12
"""bytes: length, type and checksum"""

_MARKER = re.compile(rb"\xff+[\x01-\xfe]")
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
# After 0xff within a scan: a stuffed zero, a restart, or one more of the 0xff that may fill up before a marker.
_GOES_ON = np.isin(np.arange(256), [0x00, *range(0xD0, 0xD8), 0xFF])


@dataclass(frozen=True)
class Header:
    """What an image says of itself before any pixel is decoded; `width` and `height` as stored, before EXIF turning."""

    media_type: str
    width: int
    height: int
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the decoded image."""
        return (self.height, self.width) if self.orientation in (5, 6, 7, 8) else (self.width, self.height)


@dataclass(frozen=True)
class Decoded:
    """Upright pixels uint8 RGB [h, w, 3] of a frame that is `width` x `height` pixels upright, which h x w may fall short of."""

    pixels: Pixels
    width: int
    height: int


def read_header(data: bytes, most_pixels: int = MOST_PIXELS) -> Header:
    """Format, size and EXIF orientation (1..8) of encoded image bytes, without decoding pixels.

    Raises UnreadableImageError for empty bytes, other formats, several pages, and more than `most_pixels`.
    """
    if not data:
        raise UnreadableImageError("the image is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own pixel limit below is stricter and says more
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                kind = image.format or ""
                width, height = image.size
                pages = getattr(image, "n_frames", 1) if kind != "MPO" else 1
                orientation = 1
                if "exif" in image.info:
                    exif = Image.Exif()
                    exif.load(image.info["exif"])
                    orientation = exif.get(ExifTags.Base.Orientation, 1)
    except UnidentifiedImageError as error:
        raise UnreadableImageError("not a JPEG, PNG, BMP, TIFF or WebP image, or its header is damaged") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"more than the {most_pixels:,} pixels allowed") from error
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise UnreadableImageError(f"the header is damaged ({error})") from error
    if width * height > most_pixels:
        raise UnreadableImageError(f"{width} x {height} pixels; at most {most_pixels:,} are allowed")
    if pages > 1:
        raise UnreadableImageError(f"{pages} pages in one file; send one frame at a time")
    return Header(MEDIA_TYPES[kind], width, height, orientation if isinstance(orientation, int) else 1)


def decode(data: bytes, most_pixels: int = MOST_PIXELS) -> Pixels:
    """Encoded bytes to upright uint8 RGB [h, w, 3].

    Honours EXIF orientation. 16-bit values map linearly, full scale to full scale (a scaling that looked at the pixels
    would make dark frames and bright ones alike). Transparent pixels are laid over black: no light was recorded there.
    Raises UnreadableImageError, with the reason, for anything that cannot be decoded whole.
    """
    return decode_pixels(data, read_header(data, most_pixels))


def decode_for(spec: Preprocessing, data: bytes, header: Header | None = None) -> Decoded:
    """`decode`, no larger than `spec` needs; with the `header` when it was read already. The way to what `prepare` is given.

    Raises UnreadableImageError as `decode` does.
    """
    header = read_header(data) if header is None else header
    by = reduction(header, spec)
    pixels = decode_pixels(data, header, by)
    width, height = (pixels.shape[1], pixels.shape[0]) if by == 1 else header.upright_size
    return Decoded(pixels, width, height)


def reduction(header: Header, spec: Preprocessing) -> int:
    """By how much a frame is shrunk while it is decoded: 8, 4, 2 or 1.

    Only a JPEG is, and never below twice the model's size on either side: `prepare` still averages at least 2 x 2 pixels
    into one, so that it gives what it would have given from the whole frame, but for rounding and the finest grain. libjpeg
    fills up the last row and column of blocks, which moves nothing by as much as half a pixel of the model's.
    """
    if header.media_type != "image/jpeg":
        return 1
    width, height = header.upright_size
    most = min(width // (2 * spec.width), height // (2 * spec.height))
    return next((by for by in sorted(_REDUCED, reverse=True) if by <= most), 1)


def decode_pixels(data: bytes, header: Header, by: int = 1) -> Pixels:
    """`decode` for bytes whose header was read already; `by` is a `reduction`, and then h x w is that much smaller."""
    if header.media_type == "image/jpeg":
        _check_jpeg(data)
    elif header.media_type == "image/png":
        _check_png(data)
    elif header.media_type in _DECODED_IN_PART:
        _check_whole(data)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED.get(by, cv2.IMREAD_UNCHANGED))
    except cv2.error as error:
        raise UnreadableImageError(f"the pixels cannot be decoded ({error.err})") from error
    if pixels is None:
        raise UnreadableImageError("the pixels cannot be decoded: the file is cut off or damaged")
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.dtype != np.uint8:
        raise UnreadableImageError(f"{pixels.dtype} pixels; only 8- and 16-bit images are decided")
    return _turn(_to_rgb(pixels.astype(np.uint8, copy=False)), header)


def _check_jpeg(data: bytes) -> None:
    """Walk the markers to the end of the image: OpenCV decodes a JPEG that breaks off, or goes on as another, in part.

    ITU-T T.81, B.1.1. Raises UnreadableImageError. Damage within a scan that leaves its markers in
    order is not found: libjpeg decodes it into false pixels, and OpenCV does not pass its warning on.
    """
    content = np.frombuffer(data, np.uint8)
    before_code = np.flatnonzero(content[:-1] == 0xFF)
    ends_of_scans = before_code[~_GOES_ON[content[before_code + 1]]]
    place, frames = 2, 0
    while True:
        marker = _MARKER.match(data, place)
        if marker is None:
            why = "cut off: its end marker is missing" if place >= len(data) else f"damaged: no marker at byte {place}"
            raise UnreadableImageError(f"the JPEG is {why}")
        code, place = data[marker.end() - 1], marker.end()
        if code == _END_OF_IMAGE:
            return
        frames += code in _START_OF_FRAME
        if code == _START_OF_IMAGE or frames > 1:
            raise UnreadableImageError("the JPEG is damaged: another image begins within it")
        place += max(2, int.from_bytes(data[place : place + 2], "big"))
        if code == _START_OF_SCAN:
            next_end = int(np.searchsorted(ends_of_scans, place))
            place = len(data) if next_end == len(ends_of_scans) else int(ends_of_scans[next_end])


def _check_png(data: bytes) -> None:
    """Walk the chunks to the end of the image: OpenCV sets aside whatever length a chunk names, 4 GB for one flipped bit.

    ISO/IEC 15948, 5.3. Raises UnreadableImageError.
    """
    place, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += length + _AROUND_A_CHUNK
        if place > len(data):
            raise UnreadableImageError(f"the PNG is cut off or damaged: its last chunk should end at byte {place:,}")


def _check_whole(data: bytes) -> None:
    """Raises UnreadableImageError where Pillow finds damage that OpenCV passes over, with black pixels in its place."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                image.load()
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise UnreadableImageError(f"the pixels cannot be decoded ({error})") from error


def prepare(frames: Sequence[Pixels], spec: Preprocessing) -> Pixels:
    """Decoded frames, each uint8 RGB [h, w, 3] of any size, to the model's input uint8 [n, spec.height, spec.width, 3]."""
    batch = np.empty((len(frames), spec.height, spec.width, 3), np.uint8)
    for index, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"frame {index}: expected uint8 [h, w, 3], got {frame.dtype} {list(frame.shape)}")
        shrinks = frame.shape[0] > spec.height or frame.shape[1] > spec.width
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(frame, (spec.width, spec.height), dst=batch[index], interpolation=method)
    return batch


def _to_rgb(pixels: Pixels) -> Pixels:
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.uint16)
        pixels = ((pixels[:, :, :3] * alpha + 127) // 255).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _turn(pixels: Pixels, header: Header) -> Pixels:
    if header.media_type == "image/tiff" or header.orientation not in _TURN:
        return pixels
    rotation, flip = _TURN[header.orientation]
    turned = pixels if rotation is None else cv2.rotate(pixels, rotation)
    turned = turned if flip is None else cv2.flip(turned, flip)
    return np.ascontiguousarray(turned, dtype=np.uint8)
