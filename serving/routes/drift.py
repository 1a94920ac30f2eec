"""Whether the frames of each camera are still what they were."""

from fastapi import APIRouter

from serving import drift
from serving.drift_schema import DriftReport
from serving.routes.parameters import Looking, Serving

routes = APIRouter(tags=["drift"])


@routes.get("/drift", operation_id="get_drift")
def get_drift(service: Serving, sight: Looking) -> DriftReport:
    """Each camera's newest window of frames against the training and against its first frames after the last promotion."""
    with service.store.reading() as connection:
        return drift.report(connection, service.settings.drift, sight)
