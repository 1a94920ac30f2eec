"""Signing in and out, and who one is."""

import asyncio
import re
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from data.wording import text
from serving.access import device_cookie, session_cookie
from serving.account_schema import ChangePassword, SessionInfo, SignIn
from serving.caller import Caller, Calling
from serving.oidc import IdentityProvider
from serving.problem import ProblemError
from serving.role import PERMISSIONS
from serving.routes.parameters import Serving, problems
from serving.service import Service
from serving.sessions import csrf_token

log = structlog.get_logger()
routes = APIRouter(tags=["session"])

# The longest that browsers keep a cookie.
_SESSION_PATH, _KNOWN_SECONDS = "/v1/session", 400 * 86_400
# Of this server: a second slash or a backslash would make a browser leave for another host.
_OWN_PAGE = re.compile(r"/(?![/\\])[^\\\x00-\x1f]*")


def _maybe_calling(request: Request) -> Caller | None:
    caller = request.scope["caller"]
    assert caller is None or isinstance(caller, Caller)
    return caller


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@routes.get("/session", operation_id="get_session")
def get_session(
    service: Serving, request: Request, caller: Annotated[Caller | None, Depends(_maybe_calling)]
) -> SessionInfo:
    """Who is calling, and what that allows; also for callers who are not known."""
    token = request.cookies.get(session_cookie(service.settings.https))
    return _info(service, caller, token if caller is not None and caller.person_id is not None else None)


@routes.post(
    "/session",
    operation_id="sign_in",
    responses=problems(
        _401="The name or the password is wrong.", _429="Too many tries; again after Retry-After seconds."
    ),
)
def sign_in(service: Serving, request: Request, response: Response, who: SignIn) -> SessionInfo:
    """Sign in: sets the session cookie."""
    if not service.settings.auth:
        raise ProblemError(
            409,
            text(
                "this server runs without authentication; nobody needs to sign in", "此伺服器未啟用登入驗證；不需登入"
            ),
        )
    token = service.sessions.sign_in(who.name, who.password, _address(request), _device(service, request, who.name))
    return _begin(service, response, token)


@routes.delete("/session", operation_id="sign_out", status_code=204)
def sign_out(service: Serving, caller: Calling, response: Response) -> None:
    """End this session, and clear the cookie."""
    if caller.person_id is not None:
        service.sessions.close(caller.token_sha256)
        service.credentials.forget()
        https = service.settings.https
        response.delete_cookie(session_cookie(https), secure=https, httponly=True, samesite="strict")


@routes.put(
    "/session/password",
    operation_id="change_password",
    responses=problems(_403="The present password is wrong.", _429="Too many tries; again after Retry-After seconds."),
)
def change_password(
    service: Serving, request: Request, response: Response, caller: Calling, change: ChangePassword
) -> SessionInfo:
    """Change one's own password; every other session of this person ends."""
    if caller.person_id is None or caller.name is None:
        raise ProblemError(409, text("only a person who is signed in has a password", "只有已登入的人員才有密碼"))
    token = service.sessions.change_password(
        caller.name,
        caller.person_id,
        change.present,
        change.new,
        _address(request),
        _device(service, request, caller.name),
    )
    service.credentials.forget()
    return _begin(service, response, token)


@routes.get(
    "/session/oidc",
    operation_id="begin_oidc",
    response_class=RedirectResponse,
    status_code=302,
    responses=problems(_404="No identity provider is set.", _503="The identity provider does not answer."),
)
async def begin_oidc(
    service: Serving, request: Request, page: Annotated[str, Query(description="of this server, to end at")] = "/"
) -> Response:
    """Off to the plant's identity provider."""
    provider = _provider(service)
    request.session["page"] = page if _OWN_PAGE.fullmatch(page) else "/"
    return await provider.begin(request, str(request.url_for("finish_oidc")))


@routes.get(
    "/session/oidc/callback",
    operation_id="finish_oidc",
    response_class=RedirectResponse,
    status_code=303,
    responses=problems(_404="No identity provider is set."),
)
async def finish_oidc(service: Serving, request: Request) -> Response:
    """Back from the identity provider: sets the session cookie, and goes on to the page that wanted it."""
    provider = _provider(service)
    try:
        subject, name, role = await provider.finish(request)
        person = await asyncio.to_thread(service.people.from_oidc, subject, name, role)
        token = await asyncio.to_thread(service.sessions.open, person)
    except ProblemError as error:
        log.warning("sign-in by identity provider refused", cause=error.detail)
        return RedirectResponse("/login?refused=oidc", 303)
    finally:
        page = request.session.pop("page", "/")
    service.credentials.forget()
    response = RedirectResponse(page, 303)
    _set_session_cookie(service, response, token)
    return response


def _provider(service: Service) -> IdentityProvider:
    if service.identity_provider is None:
        raise ProblemError(
            404,
            text(
                "no identity provider is set; sign in with name and password", "未設定公司帳號登入；請以姓名與密碼登入"
            ),
        )
    return service.identity_provider


def _begin(service: Service, response: Response, token: str) -> SessionInfo:
    caller = service.credentials.look_up_session(token)
    assert caller is not None
    _set_session_cookie(service, response, token)
    _set_device_cookie(service, response, caller.name or "")
    return _info(service, caller, token)


def _device(service: Service, request: Request, name: str) -> str | None:
    return request.cookies.get(device_cookie(name, service.settings.https))


def _set_device_cookie(service: Service, response: Response, name: str) -> None:
    device, https = service.sessions.new_device(name), service.settings.https
    if device is not None:
        response.set_cookie(
            device_cookie(name, https),
            device,
            max_age=_KNOWN_SECONDS,
            path=_SESSION_PATH,
            secure=https,
            httponly=True,
            samesite="strict",
        )


def _set_session_cookie(service: Service, response: Response, token: str) -> None:
    https = service.settings.https
    response.set_cookie(
        session_cookie(https),
        token,
        max_age=int(service.settings.sessions.longest_seconds),
        secure=https,
        httponly=True,
        samesite="strict",
    )


def _info(service: Service, caller: Caller | None, token: str | None) -> SessionInfo:
    return SessionInfo(
        auth=service.settings.auth,
        oidc=service.settings.oidc is not None,
        name=None if caller is None else caller.name,
        role=None if caller is None else caller.role,
        permissions=[] if caller is None else sorted(PERMISSIONS[caller.role]),
        must_change_password=caller is not None and caller.must_change_password,
        time_zone=service.settings.time_zone,
        csrf_token=None if token is None else csrf_token(token),
    )
