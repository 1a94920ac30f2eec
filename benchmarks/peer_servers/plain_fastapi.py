"""FastAPI with a synchronous endpoint, which runs on its thread pool."""

from typing import Annotated

import uvicorn
from fastapi import Body, FastAPI

from benchmarks.peer_servers.model import PORT, Model

app = FastAPI()
model = Model(threads=1)


@app.post("/predict")
def predict(image: Annotated[bytes, Body(media_type="image/png")]) -> dict[str, float]:
    """The defect probability of one image."""
    return {"defect_probability": model.predict([model.prepare(image)])[0]}


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, log_level="warning")
