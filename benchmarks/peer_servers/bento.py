"""BentoML with adaptive batching."""

from pathlib import Path

import bentoml

from benchmarks.peer_servers.model import LARGEST_BATCH, WORKERS, Model


# Its access log would cost it a line a frame.
@bentoml.service(workers=WORKERS, logging={"access": {"enabled": False}})
class Inspect:
    """The batch comes as files, which is how BentoML takes images that it is not to decode itself."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, max_batch_size=LARGEST_BATCH, max_latency_ms=2000)  # type: ignore[untyped-decorator] # not installed here
    def predict(self, images: list[Path]) -> list[float]:
        """The defect probability of each image."""
        return self.model.predict([self.model.prepare(image.read_bytes()) for image in images])
