"""What is exported is what was evaluated: torch, onnxruntime and the HTTP answer agree on a really trained model."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from data.bundle import GOLDEN, MODEL, Bundle
from data.catalog import read_catalog
from data.decide import decide
from data.image import decode, prepare
from data.novelty import is_unknown
from tests.conftest import Served
from tests.training_fixture import Trained

StartServer = Callable[..., Served]

FLOAT32 = "model_float32.onnx"


def test_golden_frames_over_http_give_the_outputs_that_torch_was_compared_with(
    trained_bundle: Trained, start_server: StartServer
) -> None:
    bundle = Bundle.load(trained_bundle.bundle)
    assert bundle.manifest.parity.torch_onnxruntime <= bundle.manifest.parity.tolerance == 1e-3
    server = start_server(bundles=trained_bundle.bundle.parent)
    with np.load(trained_bundle.bundle / GOLDEN, allow_pickle=False) as golden:
        for image, expected, classes in zip(
            golden["images"], golden["defect_probability"], golden["class_probability"], strict=True
        ):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            answer = server.inspect(png.getvalue())
            assert answer["defect_probability"] == pytest.approx(expected, abs=1e-5)
            assert list(answer["class_probability"].values()) == pytest.approx(classes, abs=1e-5)
            unknown = is_unknown(answer["novelty"])
            assert answer["verdict"] == decide(float(answer["defect_probability"]), bundle.manifest.thresholds, unknown)
            assert answer["model"]["version"] == bundle.manifest.version


def test_camera_files_over_http_get_the_verdicts_of_the_evaluation(
    trained_bundle: Trained, start_server: StartServer
) -> None:
    bundle = Bundle.load(trained_bundle.bundle)
    server = start_server(bundles=trained_bundle.bundle.parent)
    catalog = read_catalog(trained_bundle.catalog)
    test = catalog.of_split("test")
    escapes = 0
    for row in test:
        content = catalog.file(row).read_bytes()
        expected = bundle.predict(prepare([decode(content)], bundle.manifest.preprocessing)).defect_probability[0]
        answer = server.inspect(content)
        assert answer["defect_probability"] == pytest.approx(float(expected), abs=1e-5)
        escapes += row.is_defect and answer["verdict"] == "PASS"
    defects = sum(row.is_defect for row in test)
    assert escapes / defects == pytest.approx(trained_bundle.metrics["escape_rate"])


def test_the_model_that_serves_is_in_the_manifest(trained_bundle: Trained) -> None:
    manifest = Bundle.load(trained_bundle.bundle).manifest
    assert MODEL in manifest.files
    assert (FLOAT32 in manifest.files) == (manifest.precision == "int8")
