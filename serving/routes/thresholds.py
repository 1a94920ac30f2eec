"""At which thresholds the models decide, and setting others."""

from fastapi import APIRouter

from serving.caller import Calling
from serving.routes.parameters import Serving, problems
from serving.threshold_schema import ThresholdRequest, ThresholdsHere

routes = APIRouter(prefix="/thresholds", tags=["models"])


@routes.get("", operation_id="list_thresholds")
def list_thresholds(service: Serving) -> list[ThresholdsHere]:
    """The thresholds in force, what they promise, and their changes: wherever no recipe has its own, then for each recipe."""
    return service.thresholds.everywhere()


@routes.post(
    "",
    operation_id="set_thresholds",
    responses=problems(
        _403="No guarantee covers these, and the caller may not set such; or the person is not who is signed in.",
        _404="No such recipe.",
        _409="No guarantee covers these thresholds, and why; or another model decides by now.",
    ),
)
def set_thresholds(service: Serving, caller: Calling, request: ThresholdRequest) -> ThresholdsHere:
    """Let the present model decide at other thresholds from the next frame on, until a promotion or roll-back.

    Going back to an earlier version is a change like any other. A change for a recipe counts before one for all others.
    """
    return service.thresholds.change(request, caller)
