"""The bundles on this server, and which one decides."""

from fastapi import APIRouter

from serving.routes.parameters import Serving, problems
from serving.schema import ModelInfo, PromoteRequest

routes = APIRouter(tags=["models"])


@routes.get("/models", operation_id="list_models")
def list_models(service: Serving) -> list[ModelInfo]:
    """The bundles on this server, newest first."""
    return service.models.list()


@routes.post(
    "/models",
    operation_id="promote_model",
    responses=problems(
        _404="No such version.", _409="The bundle was refused, and why; the present one keeps deciding."
    ),
)
def promote_model(service: Serving, promotion: PromoteRequest) -> ModelInfo:
    """Verify, load and warm a bundle, then let it decide; the parts on the line notice nothing.

    It must miss no target and be shown to be better than the present model on the same test images. A version that
    decided here before needs neither: that is a roll-back. `force` overrules, and is kept with the reason.
    """
    return service.models.promote(promotion)
