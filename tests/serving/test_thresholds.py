"""Thresholds that people set: in force from the next frame, told in every answer, audited, and gone with the model."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from data.bundle import Bundle, Prediction
from data.decide import Aims, InForce, choose_thresholds
from data.image import Pixels
from data.operating import OperatingCurve
from serving.audit import verify
from serving.role import Role
from tests.accounts import key_client
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle

DATABASES = ("sqlite", "postgresql")
RECIPE = {"product": "cell", "station": "final"}

# 500 held-out defects and 500 good parts: with 2 % and 95 %, 4 escapes are allowed.
_SPREAD = np.linspace(0, 1, 500)
_SCORES = np.concatenate([0.3 + 0.7 * _SPREAD, 0.7 * _SPREAD])
_IS_DEFECT = np.arange(1000) < 500
OWN, GUARANTEE = choose_thresholds(_SCORES, _IS_DEFECT, Aims())


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Version 1 with a curve and a guarantee, version 2 with neither."""
    curve = OperatingCurve.of(_SCORES, _IS_DEFECT, OWN)
    write_brightness_bundle(
        tmp_path / "bundles/1", "1", pass_below=OWN.pass_below, guarantee=GUARANTEE, curve=curve, skill=0.4
    )
    write_brightness_bundle(tmp_path / "bundles/2", "2", skill=0.2)
    return tmp_path / "bundles"


def start(start_server: StartServer, bundles: Path, version: str = "1", **settings: Any) -> Served:
    return start_server(bundles=bundles, bundle=str(bundles / version), **settings)


def ask(client: httpx.Client, pass_below: float, reject_from: float = 0.7, **changes: Any) -> httpx.Response:
    body = {
        "pass_below": pass_below,
        "reject_from": reject_from,
        "model": {"name": "brightness", "version": "1"},
        "person": "eve",
        "reason": "fewer reviews at night",
        **changes,
    }
    return client.post("/v1/thresholds", json=body)


def in_force(server: Served, **changes: str) -> dict[str, Any]:
    thresholds: dict[str, Any] = server.inspect(grey_png(0.5), **changes)["thresholds"]
    return thresholds


def test_a_change_decides_the_next_frame_is_told_in_its_answer_and_outlasts_a_restart(
    start_server: StartServer, bundles: Path
) -> None:
    server = start(start_server, bundles)
    before = server.inspect(grey_png(0.25))
    assert (before["verdict"], before["thresholds"]["change"]) == ("PASS", None)
    answer = ask(server.client, 0.2)
    assert answer.status_code == 200, answer.text
    after = server.inspect(grey_png(0.25))
    assert after["verdict"] == "REVIEW"
    assert after["thresholds"] == {"pass_below": 0.2, "reject_from": 0.7, "change": 1, "guaranteed": True}
    stored = server.client.get(f"/v1/inspections/{after['id']}").json()
    assert stored["thresholds"] == after["thresholds"]
    again = start(start_server, bundles)
    assert in_force(again) == after["thresholds"]


def test_the_guarantee_travels_with_the_thresholds(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles)
    assert in_force(server)["guaranteed"] is True
    answer = ask(server.client, 0.2, 0.65, without_guarantee=True).json()
    bounds = {name: answer["guarantee"][name]["observed"] for name in ("escape", "reject_good")}
    assert bounds == {"escape": 0, "reject_good": 36}
    assert in_force(server)["guaranteed"] is False
    (here,) = server.client.get("/v1/thresholds").json()
    assert here["own"] == {"pass_below": OWN.pass_below, "reject_from": 0.7}
    assert [(one["change"], one["guaranteed"], one["person"], one["reason"]) for one in here["changes"]] == [
        (1, False, "eve", "fewer reviews at night")
    ]


def test_thresholds_that_no_guarantee_covers_take_a_second_word_and_the_right_to(
    start_server: StartServer, bundles: Path
) -> None:
    server = start(start_server, bundles, auth=True)
    engineer, admin = key_client(server, Role.ENGINEER, "eve"), key_client(server, Role.ADMIN, "root")
    refused = ask(engineer, 0.6)
    assert refused.status_code == 409
    assert "No guarantee for escape rate <= 2.0% at these thresholds: 215 of 500" in refused.json()["detail"]
    assert ask(engineer, 0.6, without_guarantee=True).status_code == 403
    assert ask(admin, 0.6, person="root").status_code == 409
    answer = ask(admin, 0.6, person="root", without_guarantee=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["in_force"]["guaranteed"] is False
    cautious = ask(engineer, 0.1)
    assert cautious.status_code == 200, "less than the model's own needs no other right"


def test_without_a_curve_wider_thresholds_are_not_covered(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles, "2")
    model = {"name": "brightness", "version": "2"}
    refused = ask(server.client, 0.4, model=model)
    assert "brightness 2 carries no curve" in refused.json()["detail"]
    answer = ask(server.client, 0.4, model=model, without_guarantee=True).json()
    assert (answer["curve"], answer["guarantee"], answer["in_force"]["guaranteed"]) == (None, None, False)


def test_a_promotion_and_a_roll_back_return_to_the_models_own(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles)
    assert ask(server.client, 0.2).status_code == 200
    for version in ("2", "1"):
        body = {"version": version, "reason": "x", "person": "eve", "force": True}
        assert server.client.post("/v1/models", json=body).status_code == 200
        assert in_force(server)["change"] is None
    again = start(start_server, bundles)
    assert in_force(again)["change"] is None, "what was set before the roll-back does not come back by itself"
    late = ask(again.client, 0.2, model={"name": "brightness", "version": "2"})
    assert late.status_code == 409
    assert "brightness 1 decides by now, not brightness 2" in late.json()["detail"]


def test_a_frame_under_way_keeps_the_thresholds_set_for_its_model(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles)
    engine, entered, go = server.service.engine, threading.Event(), threading.Event()
    bundle = engine.bundle
    assert bundle is not None

    class Gated(Bundle):
        def predict(self, images: Pixels) -> Prediction:
            entered.set()
            assert go.wait(60)
            return super().predict(images)

    gated = Gated(bundle.path, bundle.manifest, bundle._session)
    engine.swap(gated)
    strict = InForce(pass_below=0.1, reject_from=0.7, change=1, guaranteed=True)
    engine.set_thresholds(strict, gated)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.inspect, grey_png(0.2))
        assert entered.wait(60)
        engine.swap(bundle)
        go.set()
        told = answer.result(60)
    assert told["verdict"] == "REVIEW"
    assert told["thresholds"]["pass_below"] == 0.1


def test_going_back_is_another_change_and_the_trail_holds(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles)
    ask(server.client, 0.2)
    ask(server.client, 0.1)
    ask(server.client, 0.2, reason="as before")
    (here,) = server.client.get("/v1/thresholds").json()
    assert [(one["change"], one["old"]["pass_below"], one["new"]["pass_below"]) for one in here["changes"]] == [
        (3, 0.1, 0.2),
        (2, 0.2, 0.1),
        (1, OWN.pass_below, 0.2),
    ]
    with server.service.store.reading() as connection:
        assert verify(connection).broken == ()


def test_a_recipes_thresholds_come_before_those_for_all_others(start_server: StartServer, bundles: Path) -> None:
    recipes = [{**RECIPE}, {"product": "board", "station": "final", "bundle": {"name": "brightness", "version": "2"}}]
    server = start(start_server, bundles, recipes=recipes)
    assert ask(server.client, 0.2).status_code == 200
    assert in_force(server)["pass_below"] == 0.2, "a recipe with neither follows the change for all others"
    assert ask(server.client, 0.1, recipe=RECIPE).status_code == 200
    assert in_force(server)["pass_below"] == 0.1
    assert in_force(server, product="module")["pass_below"] == 0.2
    assert in_force(server, product="board")["change"] is None, "it has a model of its own"
    again = start(start_server, bundles, recipes=recipes)
    assert [in_force(again, product=product)["pass_below"] for product in ("cell", "module", "board")] == [
        0.1,
        0.2,
        0.3,
    ]
    unknown = ask(again.client, 0.1, recipe={"product": "cell", "station": "elsewhere"})
    assert unknown.status_code == 404


def test_a_control_chart_begins_anew_with_other_thresholds(start_server: StartServer, bundles: Path) -> None:
    server = start(start_server, bundles, spc={"subgroup": 10, "baseline": 10})
    for _ in range(10):
        server.inspect(grey_png(0.25))
    ask(server.client, 0.2)
    for _ in range(10):
        server.inspect(grey_png(0.25))
    server.service.watch.close()
    charts = server.client.get("/v1/metrics/spc").json()["charts"]
    shares = {chart["threshold_change"]: [point["value"] for point in chart["points"]] for chart in charts}
    assert shares == {None: [0.0], 1: [1.0]}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"reject_from": 0.1}, "above reject_from"),
        ({"reason": " "}, "reason"),
        ({"pass_below": float(2)}, "pass_below"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(
    start_server: StartServer, bundles: Path, changes: dict[str, Any], word: str
) -> None:
    server = start(start_server, bundles)
    answer = ask(server.client, **{"pass_below": 0.2, **changes})
    assert answer.status_code == 422
    assert word in answer.text
