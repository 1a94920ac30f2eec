"""The deployable model: one directory with the graph, its manifest, golden frames and card. Nothing is served unverified."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from data.config import explain
from data.decide import Guarantee, InForce, Thresholds
from data.drift import Sample
from data.durable import sync
from data.errors import BundleError, InputError
from data.image import Pixels, Preprocessing
from data.input_health import InputHealth
from data.metric import Metric
from data.novelty import Novelty, NoveltySummary
from data.operating import OperatingCurve
from data.record import Record
from data.targets import TargetResult
from data.wording import text

MANIFEST = "manifest.json"
MODEL = "model.onnx"
GOLDEN = "golden.npz"
CARD = "model_card.html"
PREDICTIONS = "test_predictions.csv"
NOVELTY = "novelty.npz"
HELD_OUT = "held_out.npz"

Floats = NDArray[np.float32]

Provider = Literal["cpu", "cuda", "tensorrt", "openvino"]

# What onnxruntime calls them, and the package that has them; each falls back to the next where it cannot run an operator.
_PROVIDERS: dict[Provider, tuple[tuple[str, ...], str]] = {
    "cpu": (("CPUExecutionProvider",), "onnxruntime"),
    "cuda": (("CUDAExecutionProvider", "CPUExecutionProvider"), "onnxruntime-gpu"),
    "tensorrt": (
        ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
        "onnxruntime-gpu, and NVIDIA's TensorRT",
    ),
    "openvino": (("OpenVINOExecutionProvider", "CPUExecutionProvider"), "onnxruntime-openvino"),
}


CalibrationMethod = Literal["temperature", "platt", "isotonic"]


class Calibration(Record):
    """How raw log-odds became calibrated ones: straight between the knots and beyond them, fitted on `n` held-out images.

    `log_loss` holds the cross-validated log-loss in nats of every method that was compared, `none` without calibration.
    """

    method: CalibrationMethod
    given: list[float] = Field(min_length=2)
    calibrated: list[float] = Field(min_length=2)
    n: int
    log_loss: dict[str, float]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        for name, values in (("given", self.given), ("calibrated", self.calibrated)):
            if len(values) != len(self.given) or any(b <= a for a, b in pairwise(values)):
                raise ValueError(f"calibration knots must rise strictly, {name} are {values}")
        return self


class CrossValidation(Record):
    """The recipe on images that each model did not train on: the AUROC of each fold, and figures over all of them together."""

    fold_auroc: list[float]
    metrics: dict[str, Metric]


class Variant(Record):
    """One precision of the same model as measured at export: size, time an image, and accuracy on the held-out images.

    `auroc_loss` is float32's AUROC less its own; `verdict_agreement` the share of held-out images, 0..1, with the verdict
    that float32 gives them at the manifest's thresholds; `layers_in_float32` how many convolutions were left so for
    accuracy's sake.
    """

    bytes: int
    milliseconds: float
    auroc: float
    auroc_loss: float
    verdict_agreement: float = Field(ge=0, le=1)
    layers_in_float32: int
    chosen: bool
    why: str


class Parity(Record):
    """Largest difference of the outputs on the golden frames, and what was tolerated."""

    torch_onnxruntime: float
    tolerance: float
    replay_tolerance: float


class DataFingerprint(Record):
    """Which images the model saw: sha256 over the catalog's rows, and how many images each split holds."""

    source: str
    sha256: str
    images: int
    splits: dict[str, int]
    defects: dict[str, int]


class Manifest(Record):
    """`manifest.json`; what the model is, what it promises and what it rests on."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    created_at: datetime
    precision: Literal["float32", "int8"]
    backbone: str
    classes: list[str]
    ok_classes: list[str]
    preprocessing: Preprocessing
    thresholds: Thresholds
    guarantee: Guarantee
    curve: OperatingCurve | None = None
    calibration: Calibration
    cross_validation: CrossValidation | None = None
    metrics: dict[str, Metric]
    targets: list[TargetResult] = Field(default=[])
    variants: dict[str, Variant]
    parity: Parity
    novelty: NoveltySummary | None = None
    input_health: InputHealth | None = None
    data: DataFingerprint
    code_commit: str | None
    mlflow_run_id: str | None
    files: dict[str, str]

    @model_validator(mode="after")
    def _classes_agree(self) -> Self:
        unknown = set(self.ok_classes) - set(self.classes)
        if unknown or not self.ok_classes:
            raise ValueError(f"ok_classes {self.ok_classes} must be some of the classes {self.classes}")
        return self


@dataclass(frozen=True)
class Prediction:
    """Model outputs for n frames: float32, probabilities and heat in 0..1."""

    class_probability: Floats
    """[n, C], in the order of `Manifest.classes`, calibrated; each row sums to 1"""
    defect_probability: Floats
    """[n], calibrated"""
    heatmap: Floats
    """[n, h, w], local defect probability over the whole prepared image"""
    embedding: Floats
    """[n, d]"""


OUTPUTS = ("class_probability", "defect_probability", "heatmap", "embedding")


class Bundle:
    """A verified model, ready to predict. Thread-safe: onnxruntime sessions may be shared."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        session: onnxruntime.InferenceSession,
        novelty: Novelty | None = None,
        held_out: Sample | None = None,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.own_thresholds = InForce(
            **manifest.thresholds.model_dump(), change=None, guaranteed=manifest.guarantee.holds
        )
        self.novelty = novelty
        self.held_out = held_out
        """what the model said of images that it was not trained on, to tell drift by; None when the bundle keeps none"""
        self._session = session

    @classmethod
    def load(cls, path: Path, threads: int = 2, provider: Provider = "cpu") -> Self:
        """Verify every file's sha256, replay the golden frames, and return the warm model.

        Raises BundleError naming the file that is missing or altered, or the output that differs, and InputError for a
        `provider` that this machine has not.
        """
        manifest = read_manifest(path)
        check_files(path, manifest)
        for name in (MODEL, GOLDEN, *([NOVELTY] if manifest.novelty else [])):
            if name not in manifest.files:
                raise BundleError(
                    text(
                        f"bundle {path}: the manifest does not list {name}; export the bundle again",
                        f"模型 {path}：{MANIFEST} 未列出 {name}；請重新匯出模型",
                    )
                )
        session = open_session(path / MODEL, threads, provider)
        bundle = cls(
            path,
            manifest,
            session,
            _read_novelty(path, session) if manifest.novelty else None,
            _read_held_out(path) if HELD_OUT in manifest.files else None,
        )
        difference = bundle.replay()
        tolerance = manifest.parity.replay_tolerance
        if not difference <= tolerance:
            raise BundleError(
                text(
                    f"bundle {path}: the golden frames give other outputs on this machine "
                    f"(largest difference {difference:.2g}, tolerated {tolerance:.2g}); export it here or choose float32",
                    f"模型 {path}：基準影像在此機器上的輸出不同（最大差異 {difference:.2g}，容許 {tolerance:.2g}）；"
                    "請在此機器匯出，或改用 float32",
                )
            )
        return bundle

    def predict(self, images: Pixels) -> Prediction:
        """Outputs for prepared images, uint8 [n, H, W, 3] RGB of the manifest's size."""
        return run_session(self._session, images)

    def replay(self) -> float:
        """The largest absolute difference between the golden frames' stored outputs and this machine's."""
        with np.load(self.path / GOLDEN, allow_pickle=False) as golden:
            prediction = self.predict(golden["images"])
            return max(
                float(np.abs(getattr(prediction, name) - golden[name]).max())
                for name in ("class_probability", "defect_probability", "heatmap")
            )

    def defect_class(self, class_probability: Floats) -> str:
        """The most probable class that is not OK, for one row [C] of class probabilities."""
        defects = [index for index, name in enumerate(self.manifest.classes) if name not in self.manifest.ok_classes]
        return self.manifest.classes[max(defects, key=lambda index: class_probability[index])]


def read_manifest(path: Path) -> Manifest:
    """The bundle's manifest; raises BundleError when it is missing, damaged or of another schema."""
    file = path / MANIFEST
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise BundleError(
            text(
                f"bundle {path}: {MANIFEST} is missing; is this a bundle directory?",
                f"模型 {path}：缺少 {MANIFEST}；這是模型目錄嗎？",
            )
        ) from error
    except ValidationError as error:
        raise BundleError(
            text(
                f"bundle {path}: {MANIFEST} is not valid: {explain(error)}; export the bundle again",
                f"模型 {path}：{MANIFEST} 無效（{explain(error)}）；請重新匯出模型",
            )
        ) from error


def check_files(path: Path, manifest: Manifest) -> None:
    """Raise BundleError, naming the file, unless every file that the manifest lists is there and as it was exported."""
    for name, expected in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise BundleError(
                text(
                    f"bundle {path}: {name} is missing; export or copy the bundle again",
                    f"模型 {path}：缺少 {name}；請重新匯出或複製模型",
                )
            )
        if sha256_of(file) != expected:
            raise BundleError(
                text(
                    f"bundle {path}: {name} was altered after export (its sha256 differs); copy the bundle again",
                    f"模型 {path}：{name} 在匯出後遭更動（sha256 不符）；請重新複製模型",
                )
            )


def _read_novelty(path: Path, session: onnxruntime.InferenceSession) -> Novelty:
    try:
        novelty = Novelty.read(path / NOVELTY)
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(path, NOVELTY, error) from error
    length = next(output.shape[1] for output in session.get_outputs() if output.name == "embedding")
    if novelty.mean.size > length:
        raise BundleError(
            text(
                f"bundle {path}: {NOVELTY} is for embeddings of length {novelty.mean.size} or more, the model's have {length}; "
                "export the bundle again",
                f"模型 {path}：{NOVELTY} 適用於長度至少 {novelty.mean.size} 的嵌入向量，而模型的長度為 {length}；請重新匯出模型",
            )
        )
    return novelty


def _read_held_out(path: Path) -> Sample:
    try:
        return Sample.read(path / HELD_OUT)
    except (OSError, KeyError, ValueError) as error:
        raise _damaged(path, HELD_OUT, error) from error


def _damaged(path: Path, name: str, error: Exception) -> BundleError:
    return BundleError(
        text(
            f"bundle {path}: {name} is damaged ({error}); export the bundle again",
            f"模型 {path}：{name} 已損壞（{error}）；請重新匯出模型",
        )
    )


def check_provider(provider: Provider) -> None:
    """Raise InputError, saying what to install, unless this build of onnxruntime has the provider."""
    (wanted, *_), package = _PROVIDERS[provider]
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        here = ", ".join(name for name, ((first, *_), _) in _PROVIDERS.items() if first in available)
        raise InputError(
            f"provider {provider} is not in the installed onnxruntime, which has {here}; "
            f"pip uninstall onnxruntime, then pip install {package}; or set provider to cpu"
        )


def open_session(model: Path, threads: int, provider: Provider = "cpu") -> onnxruntime.InferenceSession:
    """An onnxruntime session with `threads` threads on the CPU; they sleep between runs instead of spinning.

    Raises InputError for a provider that is not there, or that does not start (onnxruntime would quietly take the next).
    """
    check_provider(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _PROVIDERS[provider][0]
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=list(providers))
    except Exception as error:  # onnxruntime raises undocumented types of its own for a graph it cannot take
        raise BundleError(
            text(
                f"onnxruntime cannot load {model}: {error}; export the bundle again",
                f"onnxruntime 無法載入 {model}：{error}；請重新匯出模型",
            )
        ) from error
    if session.get_providers()[0] != providers[0]:
        raise InputError(f"provider {provider} did not start here (driver or device missing?); set provider to cpu")
    return session


def run_session(session: onnxruntime.InferenceSession, images: Pixels) -> Prediction:
    """One forward pass, uint8 [n, H, W, 3] in, a Prediction out."""
    outputs = session.run(list(OUTPUTS), {"images": images})
    return Prediction(*(np.asarray(output, dtype=np.float32) for output in outputs))


def write_bundle(parts: Path, target: Path, manifest: Manifest, listed: Sequence[str]) -> None:
    """Make the finished `parts` directory the bundle `target` in one step.

    Hashes the `listed` files into the manifest, syncs everything to disk and renames: a crash or a full disk leaves
    either no bundle of this version or a whole one. Raises BundleError when `target` exists.
    """
    if target.exists():
        raise BundleError(
            text(
                f"bundle {target} exists already; bundles are never overwritten, choose another version",
                f"模型 {target} 已存在；模型不會被覆寫，請使用另一個版本",
            )
        )
    complete = manifest.model_copy(update={"files": {name: sha256_of(parts / name) for name in listed}})
    (parts / MANIFEST).write_text(complete.model_dump_json(indent=2), encoding="utf-8")
    for file in parts.iterdir():
        sync(file)
    sync(parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if parts.stat().st_dev != target.parent.stat().st_dev:
        raise BundleError(
            text(
                f"{parts} and {target.parent} are on different disks; assemble the bundle beside its target",
                f"{parts} 與 {target.parent} 位於不同的磁碟；請在目標旁組裝模型",
            )
        )
    parts.rename(target)
    sync(target.parent)


def sha256_of(file: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
