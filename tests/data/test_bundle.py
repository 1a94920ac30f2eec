"""Bundles: whole or not at all, and nothing altered is ever served."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from data.bundle import MANIFEST, Bundle, Provider, read_manifest, write_bundle
from data.errors import BundleError, InputError


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


@pytest.mark.parametrize(("provider", "package"), [("cuda", "onnxruntime-gpu"), ("openvino", "onnxruntime-openvino")])
def test_provider_that_is_not_installed_is_named_with_what_to_install(
    brightness_bundle: Path, provider: Provider, package: str
) -> None:
    if f"{provider}executionprovider" in (name.lower() for name in onnxruntime.get_available_providers()):
        pytest.skip(f"this machine has {provider}")
    with pytest.raises(InputError, match=f"has cpu; pip uninstall onnxruntime, then pip install {package}"):
        Bundle.load(brightness_bundle, provider=provider)


def test_provider_that_does_not_start_is_not_quietly_replaced(
    brightness_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime takes the CPU when a GPU build finds no driver; a build that merely claims to have CUDA shows the same."""
    claimed = [*onnxruntime.get_available_providers(), "CUDAExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: claimed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="did not start here"):
            Bundle.load(brightness_bundle, provider="cuda")
