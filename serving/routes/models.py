"""The bundles on this server, and which one decides."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from data.wording import text
from serving import pairs
from serving.caller import Calling
from serving.model_schema import ModelInfo, PromoteRequest, ShadowComparison, ShadowInfo, ShadowRequest
from serving.problem import ProblemError
from serving.routes.parameters import Looking, Serving, problems
from serving.schema import TEXT, Name, Reason

routes = APIRouter(tags=["models"])

# Beside the server's own policy, and stricter: a card is a document of whoever made the bundle.
_CARD_HEADERS = {"Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"}


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
        raise ProblemError(422, text("person: missing; say who answers for it", "人員：缺少；請註明由誰負責"))
    return service.models.promote(promotion, caller.answers_to(person))


@routes.get(
    "/models/{version}/card",
    operation_id="get_model_card",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **problems(_404="No such version, or it has no card.", _409="The card was altered after export."),
    },
)
def get_model_card(service: Serving, version: Annotated[str, Path(max_length=128, pattern=TEXT)]) -> Response:
    """How good a bundle is, what it promises and where it fails, as its training wrote it."""
    return Response(service.models.card(version), media_type="text/html; charset=utf-8", headers=_CARD_HEADERS)


@routes.get("/models/shadow", operation_id="get_shadow")
def get_shadow(service: Serving, sight: Looking) -> ShadowComparison:
    """The active model and the last shadow on the same frames: agreement, reviewed frames, and where they differ."""
    with service.store.reading() as connection:
        return pairs.compare(connection, sight)


@routes.get("/models/shadow/runs", operation_id="list_shadow_runs")
def list_shadow_runs(service: Serving) -> list[ShadowInfo]:
    """Every time that a bundle was a shadow, newest first; a SHADOW baseline names one of them."""
    with service.store.reading() as connection:
        return pairs.shadow_runs(connection)


@routes.post(
    "/models/shadow",
    operation_id="start_shadow",
    responses=problems(_404="No such version.", _409="The bundle was refused, and why."),
)
def start_shadow(service: Serving, caller: Calling, shadow: ShadowRequest) -> ShadowInfo:
    """Let a second bundle score the line's frames silently; its verdicts are kept and never answered."""
    caller.answers_to(shadow.person)
    return service.models.start_shadow(shadow)


@routes.delete("/models/shadow", operation_id="stop_shadow", responses=problems(_404="No bundle is a shadow."))
def stop_shadow(service: Serving, caller: Calling, person: Name, reason: Annotated[Reason, Query()]) -> ShadowInfo:
    """End the shadow; what it scored is kept and can still be compared."""
    return service.models.stop_shadow(caller.answers_to(person), reason)
