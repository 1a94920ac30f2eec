"""One image file as a source finds it: its identity and its size, without decoding a pixel."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError, UnreadableImageError
from data.image import read_header

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class ImageFile:
    """`width` and `height` in pixels of the upright image, `sha256` of the file in hex."""

    width: int
    height: int
    sha256: str


def read_image_file(file: Path) -> ImageFile:
    """Raises InputError naming the file when it is missing or no image that can be decided on."""
    try:
        content = file.read_bytes()
        header = read_header(content)
    except OSError as error:
        raise InputError(f"image {file} cannot be read: {error.strerror}") from error
    except UnreadableImageError as error:
        raise InputError(f"image {file} cannot be used: {error.reason}; repair or remove it") from error
    width, height = header.upright_size
    return ImageFile(width, height, hashlib.sha256(content).hexdigest())
