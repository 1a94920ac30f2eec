"""What every peer runs: this project's decoding, preparation and onnxruntime session."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.bundle import Bundle
from data.image import Pixels, decode_for, prepare

LARGEST_BATCH = 8
WORKERS = int(os.environ.get("PEER_WORKERS", "1"))
PORT = int(os.environ.get("PEER_PORT", "0"))


class Model:
    """The bundle named by PEER_BUNDLE; `threads` of onnxruntime for a batch."""

    def __init__(self, threads: int = max(1, 2 // WORKERS)) -> None:
        self._bundle = Bundle.load(Path(os.environ["PEER_BUNDLE"]), threads)

    def prepare(self, frame: bytes) -> Pixels:
        """Encoded bytes to the model's input, uint8 [1, H, W, 3]."""
        spec = self._bundle.manifest.preprocessing
        return prepare([decode_for(spec, frame).pixels], spec)

    def predict(self, prepared: Sequence[Pixels]) -> list[float]:
        """Defect probabilities of prepared frames, each uint8 [1, H, W, 3]."""
        probabilities: list[float] = self._bundle.predict(np.concatenate(prepared)).defect_probability.tolist()
        return probabilities
