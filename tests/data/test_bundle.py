"""Bundles: whole or not at all, and nothing altered is ever served."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.bundle import MANIFEST, Bundle, read_manifest, write_bundle
from data.errors import BundleError


@pytest.fixture
def copy(brightness_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(brightness_bundle, tmp_path / "copy"))


def test_a_whole_bundle_loads_and_reproduces_its_golden_frames(brightness_bundle: Path) -> None:
    bundle = Bundle.load(brightness_bundle, threads=1)
    assert bundle.replay() == 0
    prediction = bundle.predict(np.full((2, 64, 64, 3), 51, np.uint8))
    assert prediction.defect_probability == pytest.approx([0.2, 0.2], abs=1e-5)
    assert prediction.class_probability.sum(axis=1) == pytest.approx([1, 1])
    assert bundle.defect_class(prediction.class_probability[0]) == "bright"


def _flip_a_byte(bundle: Path) -> None:
    content = bytearray((bundle / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.onnx").write_bytes(content)


def _drop_golden(bundle: Path) -> None:
    (bundle / "golden.npz").unlink()


def _unlist_golden(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    del manifest["files"]["golden.npz"]
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def _raise_thresholds_out_of_order(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["thresholds"] = {"pass_below": 0.9, "reject_from": 0.1}
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def _other_schema(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "schema_version": 2}))


def _no_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_a_byte, r"model\.onnx was altered after export"),
        (_drop_golden, r"golden\.npz is missing"),
        (_unlist_golden, r"does not list golden\.npz"),
        (_raise_thresholds_out_of_order, r"pass_below 0\.9 is above reject_from 0\.1"),
        (_other_schema, "schema_version"),
        (_no_manifest, r"manifest\.json is missing"),
    ],
)
def test_a_damaged_bundle_is_refused(copy: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(copy)
    with pytest.raises(BundleError, match=message):
        Bundle.load(copy, threads=1)


def test_a_bundle_is_never_overwritten(brightness_bundle: Path, copy: Path) -> None:
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(copy, brightness_bundle, read_manifest(brightness_bundle), ["model.onnx"])
    assert Bundle.load(brightness_bundle, threads=1).replay() == 0
