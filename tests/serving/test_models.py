"""Promotion: verified, held against targets and champion, written down, swapped under load; a refused bundle changes nothing."""

import gc
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Row, create_engine, select, text
from typer.testing import CliRunner

from data.bundle import Bundle
from data.errors import InputError
from data.targets import TargetResult
from serving.__main__ import app
from serving.store import MIGRATIONS, Store
from serving.tables import promotions
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle

DATABASES = ("sqlite", "postgresql")


OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Version 1, and a newer and worse version 2 that finds everything half as bright."""
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", created_at=OLD, skill=0.4)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", factor=0.5, created_at=NEW, skill=0.2)
    return tmp_path / "bundles"


def promote(server: Served, version: str) -> int:
    body = {"version": version, "reason": "better on poly cells", "person": "eve"}
    return server.client.post("/v1/models", json=body).status_code


def ask(server: Served, version: str, **changes: Any) -> str:
    """Why the promotion was refused; empty when it was not."""
    body = {"version": version, "reason": "the plant manager decided", "person": "eve", **changes}
    answer = server.client.post("/v1/models", json=body)
    assert answer.status_code in (200, 409, 422), answer.text
    return "" if answer.is_success else str(answer.json()["detail"])


def written(server: Served) -> list[Row[Any]]:
    with server.service.store.reading() as connection:
        return list(connection.execute(select(promotions).order_by(promotions.c.sequence)))


def deciding(server: Served) -> str:
    version: str = server.inspect(grey_png(0.5))["model"]["version"]
    return version


def test_newest_bundle_decides_until_another_is_promoted_and_that_outlasts_a_restart(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles)
    assert deciding(server) == "2"
    assert [(model["version"], model["active"]) for model in server.client.get("/v1/models").json()] == [
        ("2", True),
        ("1", False),
    ]
    assert promote(server, "1") == 200
    assert deciding(server) == "1"
    again = start_server(bundles=bundles)
    assert deciding(again) == "1"


def test_named_bundle_decides(start_server: StartServer, bundles: Path) -> None:
    assert deciding(start_server(bundles=bundles, bundle=str(bundles / "brightness-1"))) == "1"


def test_swap_under_load_loses_no_frame_and_every_answer_is_one_models(
    start_server: StartServer, bundles: Path
) -> None:
    server = start_server(bundles=bundles)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(server.inspect, grey_png(0.8), part_id=f"{number}") for number in range(60)]
        assert promote(server, "1") == 200
        inspections = [answer.result() for answer in answers]
    expected = {"1": ("REJECT", 0.8), "2": ("REVIEW", 0.4)}
    for inspection in inspections:
        verdict, probability = expected[inspection["model"]["version"]]
        assert inspection["verdict"] == verdict
        assert inspection["defect_probability"] == pytest.approx(probability, abs=0.01)
    assert deciding(server) == "1"


def test_altered_bundle_is_refused_and_the_old_one_goes_on(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    model = bundles / "brightness-1/model.onnx"
    model.write_bytes(model.read_bytes() + b" ")
    answer = server.client.post("/v1/models", json={"version": "1", "reason": "x", "person": "eve"})
    assert answer.status_code == 409
    assert "model.onnx was altered" in answer.json()["detail"]
    assert deciding(server) == "2"
    assert promote(server, "3") == 404


def test_altered_bundle_at_start_means_not_ready_until_another_is_promoted(
    start_server: StartServer, bundles: Path
) -> None:
    (bundles / "brightness-2/golden.npz").write_bytes(b"")
    server = start_server(bundles=bundles)
    ready = server.client.get("/readyz")
    assert ready.status_code == 503
    assert "golden.npz was altered" in ready.json()["detail"]
    assert server.inspect(grey_png(0.1))["verdict"] == "NO_DECISION"
    assert promote(server, "1") == 200
    assert server.client.get("/readyz").json()["model"]["version"] == "1"
    assert server.inspect(grey_png(0.1))["verdict"] == "PASS"


def test_promoted_bundle_that_is_gone_is_named(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    promote(server, "1")
    shutil.rmtree(bundles / "brightness-1")
    again = start_server(bundles=bundles)
    assert "brightness 1 is no longer" in again.client.get("/readyz").json()["detail"]


def test_what_a_killed_training_left_is_no_bundle(start_server: StartServer, bundles: Path) -> None:
    write_brightness_bundle(bundles / ".part-cells" / "bundle", "3")
    server = start_server(bundles=bundles)
    assert [model["version"] for model in server.client.get("/v1/models").json()] == ["2", "1"]
    assert promote(server, "3") == 404


def test_manifest_that_cannot_be_read_is_left_out_of_the_list(start_server: StartServer, bundles: Path) -> None:
    (bundles / "brightness-1/manifest.json").write_text("{}")
    server = start_server(bundles=bundles)
    assert [model["version"] for model in server.client.get("/v1/models").json()] == ["2"]


def test_model_that_is_not_better_is_refused_with_the_comparison(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    assert promote(server, "1") == 200
    write_brightness_bundle(bundles / "brightness-3", "3", skill=0.3)
    why = ask(server, "3")
    assert "refused, the present model keeps deciding: brightness 3 is worse than brightness 1" in why
    assert "on the same 200 test images: AUROC" in why
    assert "set force" in why
    assert deciding(server) == "1"
    assert [row.version for row in written(server)] == ["1"]


def test_a_refused_model_does_not_stay_in_memory(
    start_server: StartServer, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[Bundle]] = []
    load = Bundle.load

    def remember(*arguments: Any, **options: Any) -> Bundle:
        bundle = load(*arguments, **options)
        loaded.append(weakref.ref(bundle))
        return bundle

    server = start_server(bundles=bundles)
    assert promote(server, "1") == 200
    write_brightness_bundle(bundles / "brightness-3", "3", skill=0.3)
    monkeypatch.setattr(Bundle, "load", remember)
    assert "refused" in ask(server, "3")
    gc.collect()
    assert [bundle() for bundle in loaded] == [None]


def test_forced_promotion_keeps_what_it_overruled(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    missed = TargetResult(name="escape_rate", limit="at most", wanted=0.02, value=0.05, low=0.04, high=0.06)
    write_brightness_bundle(bundles / "brightness-3", "3", skill=0.2, targets=[missed])
    why = ask(server, "3")
    assert "target missed: escape rate 0.05 (95 % interval 0.04 to 0.06), wanted at most 0.02: missed" in why
    assert "brightness 3 is not shown to be better than brightness 2" in why
    for reason in ("", "  "):
        assert "reason" in ask(server, "3", force=True, reason=reason)
    assert deciding(server) == "2"
    assert ask(server, "3", force=True) == ""
    assert deciding(server) == "3"
    (row,) = written(server)
    assert (row.kind, row.person, row.reason) == ("FORCED", "eve", "the plant manager decided")
    assert len(row.overruled) == 2
    assert all(objection in why for objection in row.overruled)


def test_force_that_overrules_nothing_is_an_ordinary_promotion(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    assert ask(server, "1", force=True) == ""
    assert [(row.kind, row.overruled) for row in written(server)] == [("PROMOTED", [])]


def test_rolling_back_needs_neither_force_nor_a_better_model(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    for version in ("1", "2", "1"):
        assert promote(server, version) == 200
        assert deciding(server) == version
    assert [(row.version, row.kind) for row in written(server)] == [
        ("1", "PROMOTED"),
        ("2", "ROLLED_BACK"),
        ("1", "ROLLED_BACK"),
    ]


def test_pinning_the_present_model_is_no_contest_with_itself(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    assert ask(server, "2") == ""
    assert [(row.version, row.kind) for row in written(server)] == [("2", "PROMOTED")]


def test_bundle_without_predictions_needs_force_only_against_a_champion(
    start_server: StartServer, tmp_path: Path
) -> None:
    write_brightness_bundle(tmp_path / "some/brightness-1", "1", created_at=OLD)
    (tmp_path / "some/brightness-1/golden.npz").rename(tmp_path / "golden.npz")
    server = start_server(bundles=tmp_path / "some")
    assert server.client.get("/readyz").status_code == 503
    shutil.copy(tmp_path / "golden.npz", tmp_path / "some/brightness-1/golden.npz")
    assert ask(server, "1") == ""
    write_brightness_bundle(tmp_path / "some/brightness-2", "2", skill=0.9)
    assert "brightness 1 cannot be compared: its bundle keeps no test_predictions.csv" in ask(server, "2")
    assert ask(server, "2", force=True) == ""
    assert [row.kind for row in written(server)] == ["PROMOTED", "FORCED"]


def test_first_model_must_not_miss_its_targets(start_server: StartServer, tmp_path: Path) -> None:
    missed = TargetResult(name="test_auroc", limit="at least", wanted=0.95, value=0.9, low=0.8, high=0.96)
    bundle = write_brightness_bundle(tmp_path / "some/brightness-1", "1", targets=[missed])
    golden = (bundle / "golden.npz").read_bytes()
    (bundle / "golden.npz").write_bytes(b"")
    server = start_server(bundles=tmp_path / "some")
    (bundle / "golden.npz").write_bytes(golden)
    assert "target missed: AUROC 0.9 " in ask(server, "1")
    assert server.client.get("/readyz").status_code == 503


def test_command_line_promotes_and_says_why_not(start_server: StartServer, bundles: Path) -> None:
    server = start_server(bundles=bundles)
    write_brightness_bundle(bundles / "brightness-3", "3", skill=0.1)

    def run(version: str, *options: str) -> str:
        arguments = ["promote", version, "--reason", "night shift", "--person", "eve", "--url", server.url, *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout.splitlines()[-1]

    assert run("1") == "brightness 1 decides now"
    with pytest.raises(InputError, match="brightness 3 is worse than brightness 1"):
        run("3")
    assert run("3", "--force") == "brightness 3 decides now"
    with pytest.raises(InputError, match=r"no bundle of version 9 in .*; there are: 1, 2, 3"):
        run("9")
    assert [row.kind for row in written(server)] == ["PROMOTED", "FORCED"]


def test_promotions_written_by_an_earlier_release_stay_and_count(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/qc.db"
    engine, config = create_engine(url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO promotions (name, version, reason, person, promoted_at) "
                "VALUES ('brightness', '1', 'first', 'ann', 0)"
            )
        )
    engine.dispose()
    store = Store.open(url)
    with store.reading() as connection:
        (row,) = connection.execute(select(promotions)).all()
    store.close()
    assert (row.version, row.kind, row.overruled) == ("1", "PROMOTED", [])
