"""The model as MLflow registers and serves it; MLflow runs this file from the copy that it keeps beside the bundle."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from data.bundle import Bundle
from data.decide import decide
from data.errors import UnreadableImageError
from data.image import decode_for, prepare
from data.input_health import look_at
from data.novelty import is_unknown
from data.verdict import Verdict


class RegisteredModel(PythonModel):  # type: ignore[misc] # MLflow has no types
    """Encoded images in, verdicts out, as the line decides them."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and warm the bundle; raises BundleError when it was altered."""
        self._bundle = Bundle.load(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 - as above
    ) -> pd.DataFrame:
        """One row per row of `model_input`, whose column `image` holds image files as bytes (base64 over HTTP).

        An image that cannot be read is NO_DECISION with the reason, as on the line. That a camera is frozen is seen on the
        line alone.
        """
        # Of objects, so that what is missing stays None: NaN is no JSON.
        return pd.DataFrame([self._judge(content) for content in model_input["image"]], dtype=object)

    def _judge(self, content: bytes) -> dict[str, Any]:
        bundle, manifest = self._bundle, self._bundle.manifest
        try:
            decoded = decode_for(manifest.preprocessing, content)
        except UnreadableImageError as error:
            return {
                "verdict": Verdict.NO_DECISION.value,
                "defect_probability": None,
                "class": None,
                "reason": error.reason,
            }
        images = prepare([decoded.pixels], manifest.preprocessing)
        finding = None
        if manifest.input_health is not None:
            finding = manifest.input_health.check(look_at(images[0]).measures, decoded.width, decoded.height)
        prediction = bundle.predict(images)
        distance = None if bundle.novelty is None else float(bundle.novelty.distance(prediction.embedding)[0])
        probability, shares = float(prediction.defect_probability[0]), prediction.class_probability[0]
        unknown = is_unknown(distance)
        verdict = decide(probability, manifest.thresholds, unknown or finding is not None)
        reason = "looks unlike anything the model was trained on" if unknown else None
        return {
            "verdict": verdict.value,
            "defect_probability": probability,
            "class": bundle.defect_class(shares) if verdict.flagged else manifest.classes[int(shares.argmax())],
            "reason": reason if finding is None else finding.reason,
        }


set_model(RegisteredModel())
