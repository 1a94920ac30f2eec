"""The audit trail: what people changed, and whether the chain holds."""

from typing import Annotated

from fastapi import APIRouter, Query

from serving import audit_trail
from serving.audit import Action
from serving.audit_schema import AuditCheck, AuditPage
from serving.routes.parameters import Serving, Since, Until
from serving.schema import TEXT, Name

routes = APIRouter(tags=["audit trail"])


@routes.get("/audit", operation_id="list_audit_entries")
def list_audit_entries(
    service: Serving,
    action: Annotated[list[Action] | None, Query()] = None,
    person: Name | None = None,
    subject: Annotated[str | None, Query(min_length=1, max_length=200, pattern=TEXT)] = None,
    since: Since = None,
    until: Until = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AuditPage:
    """Entries, newest first."""
    with service.store.reading() as connection:
        filters = audit_trail.Filters(action, person, subject, since, until)
        return audit_trail.list_page(connection, filters, cursor, limit)


@routes.get("/audit/check", operation_id="get_audit_check")
def get_audit_check(service: Serving) -> AuditCheck:
    """Whether the chain held when it was last verified."""
    return service.audit_watch.state


@routes.post("/audit/check", operation_id="start_audit_check", status_code=202)
def start_audit_check(service: Serving) -> AuditCheck:
    """Begin to verify the whole chain in the background; GET says when that has ended."""
    return service.audit_watch.check_soon()
