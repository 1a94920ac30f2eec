"""The UI's built files: packed when they were built, and kept by browsers for good, since their names change with them."""

from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PACKED = ".gz"
_FOR_GOOD = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Files with a hash in their names; beside those worth packing lies `NAME.gz`, which vite.config.ts wrote."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._packed = {file.name.removesuffix(PACKED) for file in directory.glob(f"*{PACKED}")}

    async def get_response(self, path: str, scope: Scope) -> Response:
        accepted = Headers(scope=scope).get("accept-encoding", "")
        packed = path in self._packed
        as_packed = packed and any(each.split(";")[0].strip() == "gzip" for each in accepted.split(","))
        response = await super().get_response(path + PACKED if as_packed else path, scope)
        if packed:
            response.headers["Vary"] = "Accept-Encoding"
        if as_packed:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Content-Type"] = "text/css" if path.endswith(".css") else "text/javascript"
        response.headers["Cache-Control"] = _FOR_GOOD
        return response
