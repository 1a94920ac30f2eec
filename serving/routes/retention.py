"""What retention would remove, and doing it now."""

from fastapi import APIRouter

from serving.caller import Calling
from serving.retention_schema import RetentionPlan, RetentionRequest
from serving.routes.parameters import Serving

routes = APIRouter(tags=["retention"])


@routes.get("/retention", operation_id="get_retention_plan")
def get_retention_plan(service: Serving) -> RetentionPlan:
    """What is old enough to be removed now, by rule, and what is kept although it is."""
    return service.retention.plan()


@routes.post("/retention", operation_id="start_retention", status_code=202)
def start_retention(service: Serving, caller: Calling, request: RetentionRequest) -> RetentionPlan:
    """Begin a run in the background, which else comes every `retention.every_minutes`; the answer says what is due."""
    return service.retention.ask(caller.answers_to(request.person or caller.signature), request.reason)
