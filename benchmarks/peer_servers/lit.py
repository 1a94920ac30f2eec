"""LitServe with dynamic batching."""

from collections.abc import Sequence
from typing import Annotated, Any

import litserve
from fastapi import Body

from benchmarks.peer_servers.model import LARGEST_BATCH, PORT, WORKERS, Model
from data.image import Pixels

BATCH_TIMEOUT_SECONDS = 0.005


class Inspect(litserve.LitAPI):  # type: ignore[misc] # not installed here
    """One worker process decodes and predicts; the HTTP process hands it the bytes."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        self.model = Model()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/png")]) -> Pixels:
        return self.model.prepare(request)

    def batch(self, inputs: Sequence[Pixels]) -> Sequence[Pixels]:
        return inputs

    def predict(self, x: Sequence[Pixels]) -> list[float]:
        return self.model.predict(x)

    def unbatch(self, output: list[float]) -> list[float]:
        return output

    def encode_response(self, output: float) -> dict[str, Any]:
        return {"defect_probability": output}


if __name__ == "__main__":
    api = Inspect(max_batch_size=LARGEST_BATCH, batch_timeout=BATCH_TIMEOUT_SECONDS)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=PORT, log_level="warning", generate_client_file=False)
