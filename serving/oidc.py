"""Sign-in by the plant's identity provider: OpenID Connect, authorization code with PKCE, by authlib."""

import os
import secrets
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from data.errors import InputError
from data.wording import text
from serving.problem import ProblemError
from serving.role import Role
from serving.schema import Name
from serving.settings import Oidc

SECRET = "QC_OIDC_CLIENT_SECRET"  # noqa: S105 - the variable's name
_MINUTES_TO_SIGN_IN = 10
# What authlib raises for an answer that is not of OpenID Connect, such as the page of a proxy in between.
_NO_PROVIDER = (ValueError, TypeError, AttributeError, KeyError, RuntimeError)
_name = TypeAdapter[str](Name)


class IdentityProvider:
    """Raises InputError when the extra `oidc` or the client secret is missing."""

    def __init__(self, oidc: Oidc) -> None:
        try:
            from authlib.integrations.starlette_client import OAuth
        except ImportError as error:
            raise InputError("oidc is set, and needs `pip install 'verdict-line[oidc]'`") from error
        secret = os.environ.get(SECRET)
        if not secret:
            raise InputError(f"oidc is set, and needs the client secret in the environment as {SECRET}")
        self._oidc = oidc
        self._client = OAuth().register(
            "oidc",
            client_id=oidc.client_id,
            client_secret=secret,
            server_metadata_url=oidc.metadata_url,
            client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
        )

    async def begin(self, request: Request, callback: str) -> Response:
        """The redirect to the provider. Raises a 503 problem when it does not answer."""
        from httpx2 import HTTPError

        try:
            answer = await self._client.authorize_redirect(request, callback)
        except (HTTPError, *_NO_PROVIDER) as error:
            raise self._does_not_answer(error) from error
        assert isinstance(answer, Response)
        return answer

    async def finish(self, request: Request) -> tuple[str, str, Role]:
        """Subject, name and role of who came back from the provider.

        Raises a 403 problem for whoever it does not vouch for, or gives none of the roles, and 503 when it does not answer.
        """
        from authlib.common.errors import AuthlibBaseError
        from httpx2 import HTTPError
        from joserfc.errors import JoseError

        try:
            token = await self._client.authorize_access_token(request)
        except (AuthlibBaseError, JoseError) as error:
            raise ProblemError(
                403,
                text(f"the identity provider's answer does not hold: {error}", f"公司帳號登入服務的回覆無效：{error}"),
            ) from error
        except (HTTPError, *_NO_PROVIDER) as error:
            raise self._does_not_answer(error) from error
        claims = token.get("userinfo")
        if claims is None:
            raise ProblemError(
                403, text("the identity provider sent no ID token", "公司帳號的登入服務沒有提供 ID token")
            )
        try:
            name = _name.validate_python(claims.get(self._oidc.name_claim))
        except ValidationError as error:
            raise ProblemError(
                403,
                text(
                    f"the ID token's {self._oidc.name_claim} is no name",
                    f"ID token 的 {self._oidc.name_claim} 不是姓名",
                ),
            ) from error
        return f"{claims['iss']} {claims['sub']}", name, self._role(claims.get(self._oidc.role_claim))

    def _does_not_answer(self, error: Exception) -> ProblemError:
        # authlib keeps a description of the provider for good, also one that a page of its maintenance gave.
        self._client.server_metadata.clear()
        return ProblemError(
            503, text(f"the identity provider does not answer: {error}", f"公司帳號的登入服務沒有回應：{error}")
        )

    def _role(self, claim: Any) -> Role:
        values = claim if isinstance(claim, list) else [claim]
        roles = {self._oidc.roles[value] for value in values if isinstance(value, str) and value in self._oidc.roles}
        for role in reversed(Role):
            if role in roles:
                return role
        raise ProblemError(
            403,
            text(
                f"the ID token's {self._oidc.role_claim} holds none of the groups that may come in",
                f"ID token 的 {self._oidc.role_claim} 不含任何獲准登入的群組",
            ),
        )


def remember_attempts(app: ASGIApp, https: bool) -> ASGIApp:
    """Keeps state, nonce and PKCE verifier of a sign-in in a signed cookie, until the browser is back.

    Lax, since it comes back from another site; signed with a secret of this run, so a restart ends attempts under way.
    """
    from starlette.middleware.sessions import SessionMiddleware

    return SessionMiddleware(
        app,
        secrets.token_hex(32),
        session_cookie="qc_oidc",
        max_age=_MINUTES_TO_SIGN_IN * 60,
        path="/v1/session/oidc",
        same_site="lax",
        https_only=https,
    )
