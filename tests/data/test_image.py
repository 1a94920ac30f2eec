"""Decoding: what cameras send, and what they should not."""

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data.errors import UnreadableImageError
from data.image import Header, Preprocessing, decode, decode_for, prepare, read_header, reduction

SPEC = Preprocessing(width=64, height=48)


def picture(width: int = 60, height: int = 40) -> NDArray[np.uint8]:
    """Smooth RGB with a bright red block in the upper left corner, so that turning and channel order show."""
    y, x = np.mgrid[0:height, 0:width]
    image = np.stack([x * 2, y * 3, np.full_like(x, 90)], axis=2).astype(np.uint8)
    image[: height // 4, : width // 4] = (250, 10, 10)
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def close(one: NDArray[np.uint8], other: NDArray[np.uint8], mean: float) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) <= mean


@pytest.mark.parametrize(
    ("kind", "options", "mean"),
    [("PNG", {}, 0), ("BMP", {}, 0), ("TIFF", {}, 0), ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 95}, 3)],
)
def test_every_format_decodes_to_rgb(kind: str, options: dict[str, object], mean: float) -> None:
    assert close(decode(encoded(Image.fromarray(picture()), kind, **options)), picture(), mean)


def test_grey_and_palette_become_rgb() -> None:
    grey = Image.fromarray(picture()).convert("L")
    expected = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    assert np.array_equal(decode(encoded(grey, "PNG")), expected)
    assert decode(encoded(grey.convert("1"), "PNG")).max() == 255
    assert decode(encoded(Image.fromarray(picture()).convert("P"), "PNG")).shape == (40, 60, 3)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32896, 128), (65535, 255), (100, 0)])
def test_sixteen_bit_maps_by_full_scale_not_by_content(value: int, expected: int) -> None:
    image = Image.fromarray(np.full((40, 60), value, np.uint16))
    assert np.unique(decode(encoded(image, "PNG"))).tolist() == [expected]
    assert np.unique(decode(encoded(image, "TIFF"))).tolist() == [expected]


def test_cmyk_jpeg_keeps_its_colours() -> None:
    cmyk = Image.fromarray(picture()).convert("CMYK")
    assert close(decode(encoded(cmyk, "JPEG", quality=95)), picture(), 4)


def test_transparent_pixels_are_black_whatever_hides_below() -> None:
    rgba = np.dstack([picture(), np.full((40, 60), 255, np.uint8)])
    rgba[20:, :, 3] = 0
    decoded = decode(encoded(Image.fromarray(rgba), "PNG"))
    assert np.array_equal(decoded[:20], picture()[:20])
    assert decoded[20:].max() == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(kind: str, orientation: int) -> None:
    """Pillow's own `exif_transpose` is the oracle."""
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(picture()), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert close(decode(data), np.asarray(upright), 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_truncated_image_is_unreadable(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableImageError):
        decode(data[: int(len(data) * share)])


def test_a_truncated_jpeg_with_a_thumbnail_is_unreadable() -> None:
    """The end marker of an EXIF thumbnail must not pass for that of the image."""
    exif = Image.Exif()
    exif[0x010E] = "x"
    thumbnail = encoded(Image.fromarray(picture(16, 16)), "JPEG")
    whole = encoded(Image.fromarray(picture(300, 200)), "JPEG", exif=exif.tobytes() + thumbnail)
    assert decode(whole).shape == (200, 300, 3)
    with pytest.raises(UnreadableImageError):
        decode(whole[:-400])


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x3FFFFFFF, 0x00100000])
def test_a_png_chunk_longer_than_the_file_takes_no_memory(length: int) -> None:
    """OpenCV would set aside as much as the chunk says: 4 GB for the first of these."""
    data = bytearray(encoded(Image.fromarray(picture()), "PNG"))
    place = data.index(b"IDAT") - 4
    data[place : place + 4] = struct.pack(">I", length)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImageError, match="cut off or damaged"):
        decode(bytes(data))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a JPEG"),
        (bytes(5000), "not a JPEG"),
        (bomb(10_000, 10_000), "at most 64,000,000"),
        (bomb(60_000, 60_000), "64,000,000"),
        (encoded(Image.fromarray(picture()), "GIF"), "not a JPEG"),
        (encoded(Image.fromarray(np.ones((40, 40), np.float32)), "TIFF"), "float32"),
        (
            encoded(Image.fromarray(picture()), "TIFF", save_all=True, append_images=[Image.fromarray(picture())]),
            "2 pages",
        ),
    ],
    ids=["empty", "text", "zeros", "100 megapixels", "3600 megapixels", "gif", "float", "pages"],
)
def test_what_cannot_be_decided_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        decode(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "BMP", "TIFF", "WEBP"]), st.data())
def test_damaged_bytes_decode_or_are_refused_and_nothing_else(kind: str, draw: st.DataObject) -> None:
    data = bytearray(encoded(Image.fromarray(picture(48, 48)), kind))
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        decoded = decode(bytes(data), most_pixels=100_000)
    except UnreadableImageError as error:
        assert error.reason
    else:
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3


def test_prepare_stacks_frames_of_any_size() -> None:
    batch = prepare([picture(60, 40), picture(640, 480), picture(64, 48)], SPEC)
    assert batch.shape == (3, 48, 64, 3)
    assert batch.dtype == np.uint8
    assert np.array_equal(batch[2], picture(64, 48))
    assert close(batch[0], batch[1], 60)


def test_prepare_refuses_what_decode_would_not_give() -> None:
    with pytest.raises(ValueError, match="frame 1: expected uint8"):
        prepare([picture(), picture().astype(np.float32)], SPEC)  # type: ignore[list-item]


def test_header_is_read_without_decoding() -> None:
    header = read_header(encoded(Image.fromarray(picture(60, 40)), "WEBP"))
    assert (header.media_type, header.width, header.height, header.orientation) == ("image/webp", 60, 40, 1)


def scene(width: int, height: int) -> Image.Image:
    """Camera-like: smooth structure, grain, and a dark corner that shows turning."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(40, 220, (12, 16, 3), dtype=np.uint8)).resize((width, height), 3)
    image = np.asarray(coarse).astype(np.int16) + random.integers(-12, 13, (height, width, 3), dtype=np.int16)
    image[: height // 4, : width // 4] = 5
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(("side", "by"), [(1030, 8), (515, 4), (270, 2), (200, 1)])
def test_large_jpeg_is_prepared_from_fewer_pixels_to_the_same_picture(
    mode: str, orientation: int, side: int, by: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(side + 90, side).convert(mode), "JPEG", quality=92, exif=exif)
    spec = Preprocessing(width=64, height=64)
    decoded, whole = decode_for(spec, data), decode(data)
    assert reduction(read_header(data), spec) == by
    assert (decoded.height, decoded.width) == whole.shape[:2], "the size of the original is still known"
    assert decoded.pixels.shape[0] == -(-whole.shape[0] // by)
    one, other = prepare([decoded.pixels], spec)[0].astype(int), prepare([whole], spec)[0].astype(int)
    assert np.abs(one - other).mean() < 2.5
    assert np.abs(one.mean() - other.mean()) < 0.5


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(32, 2048), st.integers(32, 2048), st.integers(1, 8))
def test_reduced_frame_keeps_twice_the_models_size(
    width: int, height: int, model_width: int, model_height: int, orientation: int
) -> None:
    spec = Preprocessing(width=model_width, height=model_height)
    header = Header("image/jpeg", width, height, orientation)
    by, (across, down) = reduction(header, spec), header.upright_size
    assert by == 1 or (across / by >= 2 * model_width and down / by >= 2 * model_height)
    assert by == 8 or across / (2 * by) < 2 * model_width or down / (2 * by) < 2 * model_height


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_only_jpeg_is_decoded_reduced(kind: str) -> None:
    data = encoded(scene(600, 500), kind)
    decoded = decode_for(Preprocessing(width=64, height=64), data)
    assert np.array_equal(decoded.pixels, decode(data))
    assert (decoded.width, decoded.height) == (600, 500)


def test_cut_off_large_jpeg_is_unreadable() -> None:
    data = encoded(scene(1200, 1100), "JPEG")
    with pytest.raises(UnreadableImageError, match="cut off"):
        decode_for(Preprocessing(width=64, height=64), data[:-3000])


def _dark_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 60, (48, 40), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_jpeg_into_which_another_runs_is_refused(kept: float) -> None:
    jpeg = _dark_jpeg()
    with pytest.raises(UnreadableImageError, match="damaged: another image begins"):
        decode(jpeg[: int(len(jpeg) * kept)] + jpeg)


def test_a_jpeg_whose_scan_breaks_off_before_its_end_marker_is_refused() -> None:
    jpeg = _dark_jpeg()
    with pytest.raises(UnreadableImageError, match="damaged: no marker"):
        decode(jpeg[:-40] + b"\xff\x01\x00" + bytes(40) + b"\xff\xd9")


def test_what_follows_the_end_of_a_jpeg_does_no_harm() -> None:
    jpeg = _dark_jpeg()
    assert (decode(jpeg + b"padding" * 9) == decode(jpeg)).all()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_of_which_a_part_cannot_be_decoded_is_refused(compression: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 60, (48, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", compression=compression)
    content = buffer.getvalue()
    assert (decode(content) == pixels).all()
    middle = len(content) // 2
    with pytest.raises(UnreadableImageError, match="cannot be decoded"):
        decode(content[:middle] + b"\xff" * 200 + content[middle + 200 :])
