"""Small copies of frames, so that a page of two hundred parts is not two hundred camera images."""

import cv2

from data.errors import UnreadableImageError
from data.image import decode
from data.wording import text
from serving.problem import ProblemError

_LONGEST = 256
_QUALITY = 80


def thumbnail(content: bytes, most_pixels: int) -> bytes:
    """A JPEG of at most 256 pixels along the longer side.

    Raises a 404 problem for bytes that are no image, or one of more than `most_pixels`.
    """
    try:
        pixels = decode(content, most_pixels)
    except UnreadableImageError as error:
        raise ProblemError(404, text(f"there is no small copy: {error.reason}", f"沒有縮圖：{error.reason}")) from error
    height, width = pixels.shape[:2]
    shrink = min(1.0, _LONGEST / max(width, height))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    ok, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert ok
    return encoded.tobytes()
