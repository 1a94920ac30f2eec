"""The bundles on this server, and which one decides."""

from fastapi import APIRouter

from serving.caller import Calling
from serving.problem import ProblemError
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
        _403="The person is not who is signed in.",
        _404="No such version.",
        _409="The bundle was refused, and why; the present one keeps deciding.",
    ),
)
def promote_model(service: Serving, caller: Calling, promotion: PromoteRequest) -> ModelInfo:
    """Verify, load and warm a bundle, then let it decide; the parts on the line notice nothing.

    It must miss no target and be shown to be better than the present model on the same test images. A version that
    decided here before needs neither: that is a roll-back. `force` overrules, and is kept with the reason.
    """
    person = promotion.person or caller.name
    if person is None:
        raise ProblemError(422, "person: missing; say who answers for it")
    return service.models.promote(promotion, caller.answers_to(person))
