"""The one place that says who may call what. A route that is not in the table below is refused to everybody.

`create_app` does not start with a route that is missing here, and whoever adds one at run time all the same does not open it.
"""

import hmac
import math
from collections.abc import Iterable

import structlog
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from data.wording import text
from serving.caller import ANYONE, Caller
from serving.credentials import Credentials
from serving.gauges import Gauges
from serving.problem import ProblemError, not_possible, nothing_at, problem_response
from serving.rate import Rate
from serving.role import PERMISSIONS, Permission, Role
from serving.service import service_of
from serving.sessions import csrf_token
from serving.settings import Settings
from serving.token import token_sha256

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-csrf-token"
_ROLES_ZH_HANT = {
    Role.CAMERA: "相機",
    Role.INSPECTOR: "檢驗員",
    Role.ENGINEER: "工程師",
    Role.MANAGER: "主管",
    Role.ADMIN: "管理員",
}
_API = "/v1/"
_UI = "/{path:path}"

NEEDS: dict[tuple[str, str], Permission] = {
    ("GET", "/healthz"): Permission.PUBLIC,
    ("GET", "/readyz"): Permission.PUBLIC,
    ("GET", "/metrics"): Permission.MEASURE,
    ("GET", "/openapi.json"): Permission.SELF,
    ("GET", "/docs"): Permission.SELF,
    ("GET", "/docs/start.js"): Permission.SELF,
    ("GET", "/docs/assets/{path:path}"): Permission.SELF,
    ("POST", "/v1/inspections"): Permission.POST,
    ("GET", "/v1/inspections"): Permission.READ,
    ("GET", "/v1/inspections/{id}"): Permission.ANSWER,
    ("GET", "/v1/inspections/{id}/image"): Permission.READ,
    ("GET", "/v1/inspections/{id}/heatmap"): Permission.READ,
    ("GET", "/v1/inspections/{id}/thumbnail"): Permission.READ,
    ("GET", "/v1/inspections/{id}/reviews"): Permission.READ,
    ("GET", "/v1/inspections/{id}/similar"): Permission.READ,
    ("GET", "/v1/inspections/{id}/past"): Permission.READ,
    ("GET", "/v1/parts/{part_id:path}"): Permission.READ,
    ("GET", "/v1/history"): Permission.READ,
    ("GET", "/v1/history/outline"): Permission.READ,
    ("GET", "/v1/history/export.csv"): Permission.READ,
    ("GET", "/v1/history/export.xlsx"): Permission.READ,
    ("GET", "/v1/events"): Permission.READ,
    ("GET", "/v1/reviews/queue"): Permission.REVIEW,
    ("GET", "/v1/reviews/choices"): Permission.REVIEW,
    ("POST", "/v1/reviews/claims"): Permission.REVIEW,
    ("DELETE", "/v1/reviews/claims"): Permission.REVIEW,
    ("PUT", "/v1/reviews/{client_id}"): Permission.REVIEW,
    ("GET", "/v1/metrics/quality"): Permission.MEASURE,
    ("GET", "/v1/metrics/quality/figures"): Permission.MEASURE,
    ("GET", "/v1/metrics/escapes"): Permission.MEASURE,
    ("GET", "/v1/metrics/spc"): Permission.MEASURE,
    ("GET", "/v1/metrics/agreement"): Permission.MEASURE,
    ("GET", "/v1/metrics/bias"): Permission.MEASURE,
    ("GET", "/v1/studies"): Permission.READ,
    ("POST", "/v1/studies"): Permission.MEASURE,
    ("GET", "/v1/studies/{id}/comparison"): Permission.MEASURE,
    ("GET", "/v1/studies/{id}/task"): Permission.REVIEW,
    ("POST", "/v1/studies/{id}/answers"): Permission.REVIEW,
    ("GET", "/v1/sampling"): Permission.MEASURE,
    ("GET", "/v1/challenges"): Permission.MEASURE,
    ("PUT", "/v1/challenges/{part_id:path}"): Permission.MEASURE,
    ("GET", "/v1/returns"): Permission.MEASURE,
    ("POST", "/v1/returns"): Permission.MEASURE,
    ("POST", "/v1/returns/csv"): Permission.MEASURE,
    ("GET", "/v1/metrics/throughput"): Permission.READ,
    ("GET", "/v1/metrics/trend"): Permission.READ,
    ("GET", "/v1/roi"): Permission.MEASURE,
    ("POST", "/v1/roi"): Permission.MEASURE,
    ("GET", "/v1/roi/assumptions/{key}"): Permission.MEASURE,
    ("PUT", "/v1/roi/assumptions/{key}"): Permission.PLAN,
    ("GET", "/v1/roi/candidates"): Permission.MEASURE,
    ("POST", "/v1/roi/candidates"): Permission.MEASURE,
    ("POST", "/v1/roi/candidates/csv"): Permission.MEASURE,
    ("GET", "/v1/kpis"): Permission.MEASURE,
    ("POST", "/v1/kpis"): Permission.PLAN,
    ("POST", "/v1/past-counts"): Permission.PLAN,
    ("GET", "/v1/baselines"): Permission.MEASURE,
    ("POST", "/v1/baselines"): Permission.PLAN,
    ("GET", "/v1/baselines/{id}/comparison"): Permission.MEASURE,
    ("GET", "/v1/rollouts"): Permission.MEASURE,
    ("POST", "/v1/rollouts"): Permission.PLAN,
    ("GET", "/v1/attribution"): Permission.MEASURE,
    ("GET", "/v1/reports/{period}"): Permission.MEASURE,
    ("GET", "/v1/models"): Permission.READ,
    ("POST", "/v1/models"): Permission.MODELS,
    ("GET", "/v1/models/{version}/card"): Permission.READ,
    ("GET", "/v1/models/shadow"): Permission.READ,
    ("POST", "/v1/models/shadow"): Permission.MODELS,
    ("DELETE", "/v1/models/shadow"): Permission.MODELS,
    ("GET", "/v1/models/shadow/runs"): Permission.READ,
    ("GET", "/v1/thresholds"): Permission.READ,
    ("POST", "/v1/thresholds"): Permission.MODELS,
    ("GET", "/v1/alarms"): Permission.READ,
    ("PUT", "/v1/alarms/{id}/acknowledgement"): Permission.ALARMS,
    ("GET", "/v1/line-holds"): Permission.READ,
    ("POST", "/v1/line-holds"): Permission.HOLD_LINES,
    ("DELETE", "/v1/line-holds/{id}"): Permission.RELEASE_LINES,
    ("GET", "/v1/drift"): Permission.READ,
    ("GET", "/v1/audit"): Permission.AUDIT,
    ("GET", "/v1/audit/check"): Permission.AUDIT,
    ("POST", "/v1/audit/check"): Permission.AUDIT,
    ("GET", "/v1/holds"): Permission.HOLDS,
    ("POST", "/v1/holds"): Permission.HOLDS,
    ("DELETE", "/v1/holds/{id}"): Permission.HOLDS,
    ("GET", "/v1/retention"): Permission.HOLDS,
    ("POST", "/v1/retention"): Permission.HOLDS,
    ("GET", "/v1/session"): Permission.PUBLIC,
    ("POST", "/v1/session"): Permission.PUBLIC,
    ("DELETE", "/v1/session"): Permission.SELF,
    ("PUT", "/v1/session/password"): Permission.SELF,
    ("GET", "/v1/session/oidc"): Permission.PUBLIC,
    ("GET", "/v1/session/oidc/callback"): Permission.PUBLIC,
    ("GET", "/v1/people"): Permission.PEOPLE,
    ("POST", "/v1/people"): Permission.PEOPLE,
    ("PATCH", "/v1/people/{id}"): Permission.PEOPLE,
    ("POST", "/v1/people/{id}/password"): Permission.PEOPLE,
    ("GET", "/v1/keys"): Permission.PEOPLE,
    ("POST", "/v1/keys"): Permission.PEOPLE,
    ("DELETE", "/v1/keys/{id}"): Permission.PEOPLE,
    ("GET", "/assets/{path:path}"): Permission.PUBLIC,
    # The UI's files: what is left, but for the API's paths.
    ("GET", "/"): Permission.PUBLIC,
    ("GET", _UI): Permission.PUBLIC,
}

_PATTERNS = [
    (compile_path(path)[0], method, permission)
    for (method, path), permission in NEEDS.items()
    if "{" in path and path != _UI
]


def permission_for(method: str, path: str) -> Permission:
    """What a request needs. Raises a 404 problem for a path that is not in the table, 405 for a method that is not."""
    method = "GET" if method == "HEAD" else method
    exact = NEEDS.get((method, path))
    if exact is not None:
        return exact
    others = {declared for declared, declared_path in NEEDS if declared_path == path}
    for pattern, declared, permission in _PATTERNS:
        if pattern.match(path):
            if declared == method:
                return permission
            others.add(declared)
    if others:
        allow = ", ".join(sorted(others))
        raise ProblemError(405, not_possible(method, path), {"Allow": allow})
    # The router's $ matches before a final newline too: it would find a route that this table does not.
    if method != "GET" or path.startswith(_API) or path.endswith("\n"):
        raise ProblemError(404, nothing_at(path))
    return NEEDS["GET", _UI]


def undeclared(routes: Iterable[BaseRoute]) -> list[str]:
    """The routes, as `METHOD /path`, that the table does not name."""
    found: set[tuple[str, str]] = set()
    for context in iter_route_contexts(list(routes)):
        mount = isinstance(context.original_route, Mount)
        path = f"{context.path}/{{path:path}}" if mount else str(context.path)
        found.update((method, path) for method in (context.methods or {"GET"}) - {"HEAD"})
    return sorted(f"{method} {path}" for method, path in found - NEEDS.keys())


def session_cookie(https: bool) -> str:
    """The cookie's name; under HTTPS browsers hold it to this host, whole and secure, by its prefix."""
    return "__Host-qc_session" if https else "qc_session"


def device_cookie(name: str, https: bool) -> str:
    """The cookie of a browser where `name` signed in; one for each person, for a workplace is shared."""
    return f"{'__Secure-' if https else ''}qc_device_{token_sha256(name)[:12]}"


class Access:
    """ASGI middleware: finds out who calls, and refuses before anything of the body is read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._auth = settings.auth
        self._cookie = session_cookie(settings.https)
        self._rates: dict[str, Rate] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"no route takes {scope['type']}")
        service = service_of(Request(scope))
        try:
            scope["caller"] = await self._let_in(scope, service.credentials)
        except ProblemError as error:
            self._count(error, service.gauges)
            response = problem_response(error.status, error.said, scope["path"], error.headers)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _let_in(self, scope: Scope, credentials: Credentials) -> Caller | None:
        method, path = scope["method"], scope["path"]
        permission = permission_for(method, path)
        if not self._auth:
            return ANYONE
        if permission is Permission.PUBLIC and not path.startswith(_API):
            return None
        request = Request(scope)
        secret, cookie = _secret(request.headers), request.cookies.get(self._cookie)
        try:
            caller = await (credentials.key(secret) if secret else credentials.person(cookie or ""))
        except SQLAlchemyError as error:
            structlog.get_logger().error("caller not looked up", cause=str(error))
            raise ProblemError(
                503,
                text("the database does not answer; send again", "資料庫沒有回應；請重新送出"),
                {"Retry-After": "5"},
            ) from error
        if permission is Permission.PUBLIC:
            return caller
        if caller is None:
            how = (
                text("the key is unknown or revoked", "金鑰不存在或已撤銷")
                if secret
                else text(
                    "sign in, or send a key as Authorization: Bearer KEY",
                    "請先登入，或以 Authorization: Bearer KEY 提供金鑰",
                )
            )
            raise ProblemError(401, how, {"WWW-Authenticate": "Bearer"})
        structlog.contextvars.bind_contextvars(caller=caller.name)
        if caller.key_id is not None:
            self._slow_down(caller, caller.key_id)
        elif method not in SAFE and not _has_csrf_token(request.headers, cookie or ""):
            raise ProblemError(
                403,
                text(
                    f"{CSRF_HEADER} is missing or wrong: GET /v1/session gives it",
                    f"{CSRF_HEADER} 缺少或不正確：請重新載入頁面（由 GET /v1/session 取得）",
                ),
            )
        if caller.must_change_password and permission is not Permission.SELF:
            raise ProblemError(403, text("change your one-time password first", "請先變更一次性密碼"))
        if not caller.may(permission):
            able = [role for role, permissions in PERMISSIONS.items() if permission in permissions]
            raise ProblemError(
                403,
                text(
                    f"{caller.name} is {caller.role.value}, which does not allow to {method} {path}; who may: "
                    f"{', '.join(role.value for role in able)}",
                    f"{caller.name} 的角色為{_ROLES_ZH_HANT[caller.role]}，不允許 {method} {path}；可執行的角色："
                    f"{'、'.join(_ROLES_ZH_HANT[role] for role in able)}",
                ),
            )
        return caller

    def _slow_down(self, caller: Caller, key_id: str) -> None:
        if caller.rate_limit is None:
            return
        rate = self._rates.get(key_id)
        if rate is None:
            rate = self._rates[key_id] = Rate(caller.rate_limit)
        wait = rate.take()
        if wait > 0:
            retry = {"Retry-After": str(math.ceil(wait))}
            raise ProblemError(429, f"{caller.name} may send {caller.rate_limit:g} requests a second", retry)

    def _count(self, error: ProblemError, gauges: Gauges) -> None:
        if error.status in (401, 403, 429):
            gauges.refused.labels(str(error.status)).inc()


def _secret(headers: Headers) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")


def _has_csrf_token(headers: Headers, cookie: str) -> bool:
    return hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), csrf_token(cookie).encode())
