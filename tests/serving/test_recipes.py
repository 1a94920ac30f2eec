"""Several models at once: each recipe has its own, promoted for it alone; an unfit one holds its parts and no others."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from serving.__main__ import app
from serving.settings import Settings
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle

DATABASES = ("sqlite", "postgresql")
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
FINAL = {"product": "cell", "station": "final"}
PASTE = {"product": "board", "station": "paste"}


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Version 2 is the newest and finds everything half as bright."""
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", created_at=OLD)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", factor=0.5, created_at=NEW)
    return tmp_path / "bundles"


def recipes(**bundle: str) -> list[dict[str, Any]]:
    return [dict(FINAL), {**PASTE, "bundle": bundle} if bundle else dict(PASTE)]


def deciding(server: Served, **where: str) -> str:
    version: str = server.inspect(grey_png(0.5), **where)["model"]["version"]
    return version


def promote(server: Served, version: str, recipe: dict[str, str] | None) -> Any:
    body = {"version": version, "reason": "for this product", "person": "eve", "force": True, "recipe": recipe}
    return server.client.post("/v1/models", json=body)


def test_each_recipe_is_decided_by_its_own_model(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles, recipes=recipes(name="brightness", version="1"))
    assert (deciding(server, **FINAL), deciding(server, **PASTE)) == ("2", "1")
    assert deciding(server, product="unknown", station="final") == "2"
    models = {model["version"]: model for model in server.client.get("/v1/models").json()}
    assert (models["2"]["active"], models["2"]["decides_for"]) == (True, [])
    assert (models["1"]["active"], models["1"]["decides_for"]) == (False, [PASTE])


def test_promotion_for_a_recipe_leaves_the_others_alone_and_outlasts_a_restart(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles, recipes=recipes())
    assert promote(server, "1", PASTE).status_code == 200
    assert (deciding(server, **FINAL), deciding(server, **PASTE)) == ("2", "1")
    again = start_server(bundles=bundles, recipes=recipes(name="brightness", version="2"))
    assert (deciding(again, **FINAL), deciding(again, **PASTE)) == ("2", "1"), (
        "a person's word goes before the settings"
    )
    assert promote(again, "1", None).status_code == 200
    assert promote(again, "2", PASTE).status_code == 200
    assert (deciding(again, **FINAL), deciding(again, **PASTE)) == ("1", "2")


def test_command_line_promotes_for_a_recipe(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles, recipes=recipes())
    told = [
        "promote",
        "1",
        "--reason",
        "x",
        "--person",
        "eve",
        "--force",
        "--recipe",
        "board",
        "paste",
        "--url",
        server.url,
    ]
    assert "brightness 1 decides now" in CliRunner().invoke(app, told).stdout
    assert (deciding(server, **FINAL), deciding(server, **PASTE)) == ("2", "1")


def test_promotion_for_an_unknown_recipe_is_refused(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles, recipes=recipes())
    refused = promote(server, "1", {"product": "board", "station": "elsewhere"})
    assert refused.status_code == 404
    assert "no recipe for product board at station elsewhere" in refused.json()["detail"]


def test_recipe_whose_model_is_missing_holds_its_parts_and_no_others(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles, recipes=recipes(name="nothing"))
    ready = server.client.get("/readyz")
    assert ready.status_code == 503
    assert "product board at paste: no bundle nothing" in ready.json()["detail"]
    held = server.inspect(grey_png(0.1), **PASTE)
    assert (held["verdict"], held["cause"], held["model"]) == ("NO_DECISION", "NO_MODEL", None)
    assert "no bundle nothing" in held["reason"]
    assert deciding(server, **FINAL) == "2"
    assert promote(server, "1", PASTE).status_code == 200
    assert deciding(server, **PASTE) == "1"
    assert server.client.get("/readyz").status_code == 200


def test_models_removed_from_disk_go_on_deciding(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles, recipes=recipes(name="brightness", version="1"))
    shutil.rmtree(bundles)
    assert (deciding(server, **FINAL), deciding(server, **PASTE)) == ("2", "1")
    assert server.client.get("/readyz").status_code == 200
    assert {model["version"] for model in server.client.get("/v1/models").json()} == {"1", "2"}
    assert promote(server, "1", None).status_code == 404
    assert deciding(server, **FINAL) == "2"


def test_two_recipes_for_one_product_and_station_are_refused() -> None:
    with pytest.raises(ValidationError, match="more than one recipe for cell at final"):
        Settings(recipes=[FINAL, FINAL])  # type: ignore[arg-type]
