"""The demo: a server on data of its own and a simulated line that posts held-out images to it, until Ctrl-C or for a while."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from data.bundle import read_manifest
from data.catalog import read_catalog
from data.errors import InputError
from serving.settings import Settings, load_settings
from serving.simulate import Simulation, Summary, simulate_line

_START_SECONDS = 60
_STOP_SECONDS = 30
_REVIEW_SHARE = 0.3


def run_demo(bundle: Path, catalogs: Path, place: Path, seconds: float | None, console: Console) -> Summary:
    """Serve `bundle`, post the test images of its catalog, and return what happened; everything is kept under `place`.

    Three in ten flagged parts are reviewed by a simulated inspector, the others wait in the queue for a person. Raises
    InputError when the port is taken or the server does not start (its log says why).
    """
    overrides = [
        "auth=off",
        # Two in three passed frames at once, so that a minute of demo has audits enough for an estimate.
        "audit={per_day: 20000, first_share: 0.67}",
        "spc={subgroup: 20, baseline: 10}",
        f"bundle={json.dumps(str(bundle))}",
        f"database_url={json.dumps(f'sqlite:///{place}/qc.db')}",
        f"images={json.dumps(str(place / 'images'))}",
        "roi_candidates=configs/roi/candidates.yaml",
    ]
    settings = load_settings(overrides=overrides)
    url = f"http://{settings.host}:{settings.port}"
    catalog = read_catalog(catalogs / f"{read_manifest(bundle).name}.csv")
    simulation = Simulation(catalog=catalog, url=url, review_share=_REVIEW_SHARE, seconds=seconds)
    with _server(settings, overrides, place / "server.log", url):
        console.print(f"The line runs: {url} shows it, Ctrl-C stops it. Server log: {place / 'server.log'}")
        return simulate_line(simulation, threading.Event())


@contextmanager
def _server(settings: Settings, overrides: list[str], log: Path, url: str) -> Iterator[None]:
    _check_port(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    arguments = [argument for override in overrides for argument in ("--set", override)]
    with log.open("w") as stream:
        # A session of its own: Ctrl-C reaches the cameras first, and the server stays up for what is on the way.
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", "serve", *arguments],
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, url, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)


def _check_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise InputError(
                f"port {settings.port} is in use: stop what listens there, or choose another with QC_PORT=8001"
            ) from error


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise InputError(f"the server did not become ready; the end of {log} says why:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
