"""`python -m serving`: serve, key, person, simulate, demo, promote, rollback, shadow, report, openapi, and for operations."""

import json
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.console import Console

from data.catalog import read_catalog
from data.errors import InputError
from serving.api import create_app
from serving.commands import accounts, audit, backup, catalog, doctor, retention
from serving.commands.ask import ask
from serving.commands.options import Config, Key, Overrides
from serving.demo import run_demo
from serving.logs import configure_logs
from serving.model_schema import ModelInfo, ShadowInfo
from serving.people import FIRST_ADMIN
from serving.roi_schema import RoiReport
from serving.server import Server
from serving.settings import DEFAULT_CONFIG, Settings, load_settings
from serving.simulate import Simulation, print_roi, print_summary, simulate_line

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(accounts.keys, name="key")
app.add_typer(accounts.people, name="person")
app.add_typer(audit.commands, name="audit")
app.command("retention")(retention.retention)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("catalog")(catalog.catalog)


@app.command()
def serve(
    config: Config = DEFAULT_CONFIG,
    overrides: Overrides = None,
    bundle: Annotated[Path | None, typer.Option(help="serve this bundle instead of the last promoted one")] = None,
) -> None:
    """Serve the API and the inspector UI until Ctrl-C or SIGTERM."""
    chosen = [] if bundle is None else [f"bundle={json.dumps(str(bundle))}"]
    settings = load_settings(config, [*(overrides or ()), *chosen])
    configure_logs()
    server = Server(settings)
    password = server.service.people.first_admin() if settings.auth else None
    if password is not None:
        # Not the log, which is kept and passed on: this is shown once, here.
        print(f"Sign in as {FIRST_ADMIN} with the one-time password {password}", flush=True)
    server.run()
    if not server.started:
        raise typer.Exit(1)


@app.command("simulate")
def simulate_command(
    catalog: Annotated[Path, typer.Option(help="its test images are posted")] = Path("var/catalogs/elpv-quick.csv"),
    rate: Annotated[float, typer.Option(min=0.01, help="frames a second, all lines together")] = 5.0,
    lines: Annotated[int, typer.Option(min=1)] = 2,
    cameras: Annotated[int, typer.Option(min=1, help="on each line")] = 2,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="how long; until Ctrl-C when left out")] = None,
    review_share: Annotated[
        float, typer.Option(min=0, max=1, help="flagged parts that a simulated inspector reviews")
    ] = 0,
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
) -> None:
    """Post held-out images as a production line would, and compare the verdicts with the truth."""
    simulation = Simulation(
        catalog=read_catalog(catalog),
        url=url,
        key=key,
        rate=rate,
        lines=lines,
        cameras=cameras,
        review_share=review_share,
        seconds=seconds,
    )
    stop = threading.Event()
    print_summary(simulate_line(simulation, stop), Console())


@app.command()
def demo(
    model: Annotated[Path, typer.Option(help="JSON that training printed last: the bundle and its metrics")],
    seconds: Annotated[float, typer.Option(min=0, help="0 runs until Ctrl-C")] = 0,
    catalogs: Annotated[Path, typer.Option(help="directory with the catalog that training wrote")] = Path(
        "var/catalogs"
    ),
    place: Annotated[Path, typer.Option(help="where the demo keeps its database and images")] = Path("var/demo"),
) -> None:
    """Serve the demo model and run a simulated line with known truth against it."""
    try:
        trained = json.loads(model.read_text(encoding="utf-8"))
        bundle, metrics = Path(trained["bundle"]), trained["metrics"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{model} does not name a trained bundle ({error}); delete it and run `make demo` again"
        ) from error
    console = Console()
    shown = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items() if isinstance(value, int | float))
    console.print(f"Model {bundle.name}: {shown}")
    print_summary(run_demo(bundle, catalogs, place, seconds or None, console), console)
    console.print(
        "Next: make demo, which runs until Ctrl-C and can be looked at; make train DATA=dir for images of your own."
    )


@app.command()
def promote(
    version: Annotated[str, typer.Argument(help="a version among the bundles of the running server")],
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    person: Annotated[str | None, typer.Option(help="who answers for it; with a key, the key does")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="although it misses a target or is not shown to be better")
    ] = False,
    recipe: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="PRODUCT STATION", help="for this recipe alone; without it, wherever none has its own"),
    ] = None,
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
) -> None:
    """Let a bundle of a running server decide from now on; one that decided there before may always come back."""
    request: dict[str, Any] = {"version": version, "reason": reason, "person": person, "force": force}
    if recipe is not None:
        request["recipe"] = {"product": recipe[0], "station": recipe[1]}
    _promote(url, key, request)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    person: Annotated[str | None, typer.Option(help="who answers for it; who the key is, with authentication")] = None,
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
) -> None:
    """Let the bundle that decided before the present one decide again."""
    models = TypeAdapter(list[ModelInfo]).validate_json(ask("GET", f"{url}/v1/models", key))
    previous = next((model.version for model in models if model.previous), None)
    if previous is None:
        raise InputError("no other bundle that is still here decided before the present one; promote a version by name")
    _promote(url, key, {"version": previous, "reason": reason, "person": person})


@app.command()
def shadow(
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    person: Annotated[str, typer.Option(help="who answers for it; who the key is, with authentication")],
    version: Annotated[str | None, typer.Argument(help="a version among the bundles of the running server")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="end the shadow instead")] = False,
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
) -> None:
    """Let a second bundle of a running server score the same frames silently, or end it with --stop."""
    if stop == (version is not None):
        raise InputError("give a version to start a shadow, or --stop to end it")
    told = {"reason": reason, "person": person}
    if stop:
        info = ShadowInfo.model_validate_json(ask("DELETE", f"{url}/v1/models/shadow", key, params=told))
        print(f"{info.name} {info.version} is no shadow any more; {url}/models compares what it scored")
    else:
        body = {"version": version, **told}
        info = ShadowInfo.model_validate_json(ask("POST", f"{url}/v1/models/shadow", key, json=body))
        print(f"{info.name} {info.version} scores silently from now on; {url}/models compares")


def _promote(url: str, key: str | None, request: dict[str, Any]) -> None:
    model = ModelInfo.model_validate_json(ask("POST", f"{url}/v1/models", key, json=request))
    print(f"{model.name} {model.version} decides now")


@app.command()
def report(
    period: Annotated[
        str | None, typer.Option(help="a week such as 2026-W47 or a month such as 2026-11; the present month")
    ] = None,
    out: Annotated[Path, typer.Option(help="directory for the pages and Excel files")] = Path("var/reports"),
    url: str = "http://127.0.0.1:8000",
    key: Key = None,
) -> None:
    """Write the report of a period, as a page and an Excel file in both languages, and print the ROI of a running server."""
    console = Console()
    roi = RoiReport.model_validate_json(ask("GET", f"{url}/v1/roi", key))
    print_roi(roi, console)
    period = period or f"{roi.today:%Y-%m}"
    out.mkdir(parents=True, exist_ok=True)
    for language in ("en", "zh-Hant"):
        for kind in ("html", "xlsx"):
            file = out / f"report-{period}-{language}.{kind}"
            form = {"format": kind, "language": language}
            file.write_bytes(ask("GET", f"{url}/v1/reports/{period}", key, params=form))
            console.print(f"written: {file}", soft_wrap=True)


@app.command()
def openapi(
    out: Annotated[Path | None, typer.Option(help="write to this file instead of the standard output")] = None,
) -> None:
    """Print the OpenAPI document, which the UI's client is generated from."""
    text = json.dumps(create_app(Settings()).openapi(), indent=2)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


@app.callback()
def describe() -> None:
    """The inspection server, its line simulator, and its API description."""


def main() -> None:
    """Run the command line; what a person can put right is one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
