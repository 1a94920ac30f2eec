"""Every error that goes over HTTP is problem+json (RFC 9457), and its detail says what to do.

`detail` is English, for cameras and scripts; `detail_zh_hant`, an extension member, says the same to people at the UI.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from data.wording import Text, text
from serving.engine import OverloadedError
from serving.schema import InvalidError, Problem
from serving.store import StorageError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

_FIELD_ZH_HANT = {
    "missing": "缺少此欄位",
    "extra_forbidden": "未知的欄位",
    "string_type": "須為文字",
    "string_unicode": "不是有效的 Unicode 文字",
    "string_too_short": "至少須有 {min_length} 個字元",
    "string_too_long": "最多 {max_length} 個字元",
    "string_pattern_mismatch": "含有不允許的字元，或格式不符（{pattern}）",
    "too_short": "至少須有 {min_length} 項，目前 {actual_length} 項",
    "too_long": "最多 {max_length} 項",
    "int_type": "須為整數",
    "int_parsing": "須為整數",
    "int_from_float": "須為整數",
    "float_type": "須為數字",
    "float_parsing": "須為數字",
    "finite_number": "須為有限的數字",
    "bool_type": "須為 true 或 false",
    "bool_parsing": "須為 true 或 false",
    "greater_than": "須大於 {gt}",
    "greater_than_equal": "須大於或等於 {ge}",
    "less_than": "須小於 {lt}",
    "less_than_equal": "須小於或等於 {le}",
    "multiple_of": "須為 {multiple_of} 的倍數",
    "enum": "須為下列之一：{expected}",
    "literal_error": "須為下列之一：{expected}",
    "date_parsing": "不是有效的日期",
    "date_from_datetime_parsing": "不是有效的日期",
    "datetime_parsing": "不是有效的時間",
    "datetime_from_date_parsing": "不是有效的時間",
    "timezone_aware": "時間須註明時區",
    "json_invalid": "不是有效的 JSON",
    "box_without_area": "方框 {box} 沒有面積；須為 x0,y0,x1,y1，且 x0 < x1、y0 < y1",
}
"""by pydantic's kind of error; what is not here is said in English in both languages"""


class ProblemError(Exception):
    """An answer that is not the one asked for: HTTP status, what to do about it, and extra headers.

    A refusal that people meet is said as a Text; one that only cameras and scripts meet may be English alone. As a
    string, and in `detail`, it is the English sentence.
    """

    def __init__(self, status: int, said: str | Text, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.said = said
        self.detail = said.en if isinstance(said, Text) else said
        self.headers = headers
        super().__init__(self.detail)


def problem_response(
    status: int, said: str | Text, instance: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    detail, zh_hant = (said.en, said.zh_hant) if isinstance(said, Text) else (said, None)
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, detail_zh_hant=zh_hant, instance=instance)
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error.status, error.said, request.url.path, error.headers)


async def on_overloaded(request: Request, error: Exception) -> Response:
    assert isinstance(error, OverloadedError)
    seconds = math.ceil(error.retry_after)
    detail = text(
        f"too many frames at once; post it again in {seconds} s, nothing was stored",
        f"同時送來的影像過多；請於 {seconds} 秒後重新送出，此次未保存任何資料",
    )
    return problem_response(503, detail, request.url.path, {"Retry-After": str(seconds)})


async def on_storage_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StorageError)
    detail = text(
        f"{error}; free or repair the disk, then send again",
        f"資料無法寫入或讀取（{error}）；請釋出磁碟空間或修復磁碟後重新送出",
    )
    return problem_response(503, detail, request.url.path, {"Retry-After": "5"})


async def on_database_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SQLAlchemyError)
    cause = getattr(error, "orig", None) or error
    detail = text(
        f"the database does not answer ({cause}); try again, the server connects by itself when it is back",
        f"資料庫沒有回應（{cause}）；請再試一次，資料庫恢復後伺服器會自動重新連線",
    )
    return problem_response(503, detail, request.url.path, {"Retry-After": "5"})


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail: str | Text = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = nothing_at(request.url.path)
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = not_possible(request.method, request.url.path)
    elif error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, Exception):
        # FastAPI's word for a body that is not UTF-8, or is nested too deeply for the parser.
        detail = text(
            f"the body cannot be read as JSON ({type(error.__cause__).__name__}); send one object in UTF-8, as /docs shows",
            f"無法將內容讀成 JSON（{type(error.__cause__).__name__}）；請以 UTF-8 送出一個物件，格式見 /docs",
        )
    return problem_response(error.status_code, detail, request.url.path, error.headers)


async def on_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001 - there is nothing more to know
    """Nobody reads the answer; the log says that a body broke off, without a traceback for every cable that was pulled."""
    log.warning("the caller hung up before its body was complete", path=request.url.path)
    return problem_response(400, "the body broke off", request.url.path)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(422, explain_fields(error.errors()), request.url.path)


async def on_unexpected(request: Request, error: Exception) -> Response:  # noqa: ARG001 - logged by the server
    detail = text(
        "the server failed; its log has the cause under this request id",
        "伺服器發生錯誤；其記錄中此請求編號之下有原因",
    )
    return problem_response(500, detail, request.url.path)


def nothing_at(path: str) -> Text:
    return text(f"nothing at {path}; /docs lists what there is", f"{path} 沒有任何內容；/docs 列出所有可用的位址")


def not_possible(method: str, path: str) -> Text:
    return text(
        f"{method} is not possible at {path}; /docs lists what is", f"{path} 不能使用 {method}；/docs 列出可用的方法"
    )


def unknown_cursor() -> ProblemError:
    return ProblemError(
        422,
        text(
            "cursor: not one that this server gave; leave it out for the first page",
            "cursor：不是此伺服器提供的頁碼標記；省略即從第一頁開始",
        ),
    )


def explain_fields(errors: object) -> Text:
    """Validation errors as one line that names every field at fault."""
    assert isinstance(errors, list | tuple)
    english, chinese = [], []
    for item in errors:
        field = ".".join(str(step) for step in item["loc"] if step not in ("query", "body", "path", "header"))
        en = "unknown field" if item["type"] == "extra_forbidden" else str(item["msg"]).removeprefix("Value error, ")
        en = "missing" if item["type"] == "missing" else en
        known, told = _FIELD_ZH_HANT.get(item["type"]), dict(item.get("ctx", {}))
        if "expected" in told:
            told["expected"] = str(told["expected"]).replace(", ", "、").replace(" or ", "、")
        told |= {name: f"{one:.15g}" for name, one in told.items() if isinstance(one, float)}
        zh_hant = en if known is None else known.format_map(told)
        if isinstance(wrong := told.get("error"), InvalidError):
            zh_hant = wrong.said.zh_hant
        english.append(f"{field}: {en}" if field else en)
        chinese.append(f"{field}：{zh_hant}" if field else zh_hant)
    return text("; ".join(english), "；".join(chinese))
