"""Examples: what was marked in the originals lies at the same place of the prepared images."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from data.catalog import Catalog, CatalogRow
from data.errors import InputError
from data.image import Preprocessing
from data.sources.folder import read_folder
from training.dataset import Examples, load_examples, spread

SPEC = Preprocessing(width=64, height=32)


def row(boxes: str = "", width: int = 640, height: int = 320, defect_probability: float = 1.0) -> CatalogRow:
    return CatalogRow.model_validate(
        {
            "path": f"{boxes}.png",
            "label": "dent" if defect_probability > 0.5 else "good",
            "defect_probability": defect_probability,
            "classes": "",
            "group": "g",
            "width": width,
            "height": height,
            "sha256": "0" * 64,
            "source": "test",
            "boxes": boxes,
        }
    )


def examples(*rows: CatalogRow) -> Examples:
    return Examples(list(rows), np.zeros((len(rows), SPEC.height, SPEC.width, 3), np.uint8))


def masked(root: Path, mask: NDArray[np.uint8], image: NDArray[np.uint8] | None = None) -> Catalog:
    """A folder of a good image and one of class dent with this mask; the dent's image is the mask, unless another is given."""
    for name, pixels in (
        ("good/0", 0 * mask),
        ("dent/1", mask if image is None else image),
        ("ground_truth/dent/1", mask),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / f"{name}.png")
    return read_folder(root)


def load(catalog: Catalog) -> Examples:
    return load_examples(catalog, list(catalog.rows), SPEC, "test")


def test_boxes_are_filled_at_the_size_of_the_prepared_images() -> None:
    (mask,) = examples(row("100,200,300,300;0,0,640,10")).masks([0])
    expected = np.zeros((32, 64), np.uint8)
    expected[20:30, 10:30] = 255
    expected[0] = 255
    np.testing.assert_array_equal(mask, expected)


@given(st.integers(1, 4000), st.integers(1, 4000), st.data())
def test_however_small_a_box_it_leaves_a_mark_where_it_is(width: int, height: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    (mask,) = examples(row(f"{x},{y},{x + 1},{y + 1}", width, height)).masks([0])
    assert mask[int((y + 0.5) * SPEC.height / height), int((x + 0.5) * SPEC.width / width)] == 255
    assert mask.astype(bool).sum() <= (SPEC.width / width + 2) * (SPEC.height / height + 2)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([(20, 30), (40, 40), (500, 700), (33, 20)]), st.integers(0, 2**32 - 1))
def test_however_small_a_mask_it_leaves_a_mark_where_it_is(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    y, x = (int(random.integers(end)) for end in size)
    pixels = np.zeros(size, np.uint8)
    pixels[y, x] = 1
    loaded = load(masked(tmp_path_factory.mktemp("masked"), pixels, np.full_like(pixels, 9)))
    dent = next(index for index, one in enumerate(loaded.rows) if one.is_defect)
    (mask,) = loaded.masks([dent])
    assert mask[int((y + 0.5) * SPEC.height / size[0]), int((x + 0.5) * SPEC.width / size[1])] == 255
    assert mask.astype(bool).sum() <= (SPEC.width / size[1] + 2) * (SPEC.height / size[0] + 2)
    assert set(np.unique(mask)) == {0, 255}


def test_marks_follow_the_image_when_its_exif_turns_it(tmp_path: Path) -> None:
    stored = np.zeros((400, 200), np.uint8)
    stored[300:400, 0:50] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for name, pixels in (("good/0", stored // 2), ("dent/1", stored), ("dent/2", stored)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", exif=exif)
    (tmp_path / "ground_truth" / "dent").mkdir(parents=True)
    Image.fromarray(stored).save(tmp_path / "ground_truth" / "dent" / "1.png", exif=exif)
    (tmp_path / "annotations.csv").write_text('path,boxes\ndent/2.png,"0,0,100,50"\n')
    catalog = read_folder(tmp_path)
    assert {(one.width, one.height) for one in catalog.rows} == {(400, 200)}
    loaded = load(catalog)
    for index in np.flatnonzero(loaded.is_defect):
        (mask,) = loaded.masks([int(index)])
        np.testing.assert_array_equal(mask > 0, loaded.images[index, :, :, 0] > 127)


def test_good_images_are_known_and_unmarked_defects_are_not() -> None:
    some = examples(row("0,0,9,9"), row(), row(defect_probability=0.0), row(defect_probability=1 / 3))
    assert some.annotated.tolist() == [True, False, True, False]
    assert some.has_places
    assert not some.take(np.array([1, 2])).has_places
    assert not some.masks([1, 2, 3]).any()


def test_taken_rows_keep_their_images_and_masks(tmp_path: Path) -> None:
    pixels = np.zeros((32, 64), np.uint8)
    pixels[3:9, 20:50] = 200
    loaded = load(masked(tmp_path, pixels))
    taken = loaded.take(loaded.is_defect)
    assert [one.path for one in taken.rows] == ["dent/1.png"]
    np.testing.assert_array_equal(taken.images[0, :, :, 0], pixels)
    np.testing.assert_array_equal(taken.masks([0])[0] > 0, pixels > 0)


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    catalog = masked(tmp_path, np.full((20, 30), 255, np.uint8), np.zeros((20, 31), np.uint8))
    with pytest.raises(
        InputError, match=r"1\.png is 30 x 20 pixels and its image dent/1\.png 31 x 20; they must be alike"
    ):
        load(catalog)


def test_an_unreadable_mask_is_named(tmp_path: Path) -> None:
    catalog = masked(tmp_path, np.full((20, 30), 255, np.uint8))
    (tmp_path / "ground_truth" / "dent" / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"ground_truth/dent/1\.png cannot be used"):
        load(catalog)


def test_a_mask_that_marks_nothing_is_named(tmp_path: Path) -> None:
    catalog = masked(tmp_path, np.zeros((20, 30), np.uint8), np.full((20, 30), 9, np.uint8))
    with pytest.raises(InputError, match=r"dent/1\.png marks nothing, but its image is of class dent"):
        load(catalog)


@pytest.mark.parametrize(("count", "most", "expected"), [(3, 8, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 8, [0])])
def test_spread(count: int, most: int, expected: list[int]) -> None:
    assert spread(count, most).tolist() == expected
