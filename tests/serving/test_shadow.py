"""A shadow scores the line's frames silently: its verdicts are kept and compared, and whatever it does the line goes on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from data.bundle import Bundle, Prediction
from data.errors import InputError
from data.image import Pixels
from serving.__main__ import app
from serving.audit import Action, entries, verify
from serving.shadow import Shadowing
from tests.conftest import Served, StartServer, grey_png, write_brightness_bundle
from tests.serving.test_cameras import eventually
from tests.serving.test_reviews import review

OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
CARD = "<!doctype html><title>card</title><script>alert(1)</script>"


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """Version 2 decides; version 1 finds everything 1.4 times as bright."""
    write_brightness_bundle(tmp_path / "bundles/brightness-1", "1", factor=1.4, created_at=OLD, skill=0.9, card=CARD)
    write_brightness_bundle(tmp_path / "bundles/brightness-2", "2", created_at=NEW, skill=0.2)
    return tmp_path / "bundles"


@pytest.fixture
def server(start_server: StartServer, bundles: Path) -> Served:
    return start_server(bundles=bundles)


def start(server: Served, version: str = "1") -> Any:
    body = {"version": version, "reason": "candidate", "person": "eve"}
    return server.client.post("/v1/models/shadow", json=body)


def comparison(server: Served, frames: int) -> dict[str, Any]:
    """What the server says once the shadow has scored so many frames."""

    def find() -> dict[str, Any] | None:
        found: dict[str, Any] = server.client.get("/v1/models/shadow").json()
        return found if found["frames"] >= frames else None

    found: dict[str, Any] = eventually(find)
    return found


class Failing(Bundle):
    """A shadow that raises on every frame."""

    def __init__(self, like: Bundle) -> None:
        super().__init__(like.path, like.manifest, like._session)

    def predict(self, images: Pixels) -> Prediction:
        raise RuntimeError("the shadow broke")


def test_shadow_scores_the_same_frames_and_changes_no_answer(server: Served) -> None:
    assert server.client.get("/v1/models/shadow").json()["shadow"] is None
    assert start(server).status_code == 200
    brightness = [0.1, 0.12, 0.22, 0.25, 0.55, 0.71]
    verdicts = [server.inspect(grey_png(value), part_id=f"{value}")["verdict"] for value in brightness]
    assert verdicts == ["PASS", "PASS", "PASS", "PASS", "REVIEW", "REJECT"]
    found = comparison(server, 6)
    assert {(pair["active"], pair["shadow"]): pair["frames"] for pair in found["pairs"]} == {
        ("PASS", "PASS"): 2,
        ("PASS", "REVIEW"): 2,
        ("REVIEW", "REJECT"): 1,
        ("REJECT", "REJECT"): 1,
    }
    assert found["agreement"]["value"] == pytest.approx(0.5)
    assert found["flag_change"] == pytest.approx(2 / 6)
    assert found["flag_change_low"] < 2 / 6 < found["flag_change_high"]
    assert (found["active_flags"]["numerator"], found["shadow_flags"]["numerator"]) == (2, 4)
    assert [(one["inspection"]["part_id"], one["shadow_verdict"]) for one in found["differences"]] == [
        ("0.55", "REJECT"),
        ("0.25", "REVIEW"),
        ("0.22", "REVIEW"),
    ]
    assert found["differences"][0]["shadow_defect_probability"] == pytest.approx(0.77, abs=0.01)
    assert found["latency_p50_ms"] > 0
    assert "qc_shadow_scored_total 6.0" in server.client.get("/metrics").text


def test_reviewed_frames_tell_which_of_the_two_people_agree_with(server: Served) -> None:
    start(server)
    posted = {value: server.inspect(grey_png(value), part_id=f"{value}") for value in (0.22, 0.25, 0.4, 0.1)}
    for value, decision in {0.22: "DEFECT_CONFIRMED", 0.25: "FALSE_CALL", 0.4: "DEFECT_CONFIRMED"}.items():
        assert review(server, posted[value]["id"], decision).is_success
    reviewed = comparison(server, 4)["reviewed"]
    assert (reviewed["n"], reviewed["both_right"], reviewed["neither_right"]) == (3, 1, 0)
    assert (reviewed["only_active_right"], reviewed["only_shadow_right"], reviewed["mcnemar_p"]) == (1, 1, 1.0)


def test_frames_of_one_part_are_no_evidence_of_their_own(server: Served) -> None:
    start(server)
    repeats = {f"view {number}": "P-1" for number in range(6)} | {"other": "P-2"}
    for camera, part_id in repeats.items():
        frame = server.inspect(grey_png(0.22), part_id=part_id, camera=camera)
        assert review(server, frame["id"], "DEFECT_CONFIRMED").is_success
    reviewed = comparison(server, len(repeats))["reviewed"]
    assert (reviewed["n"], reviewed["only_shadow_right"]) == (7, 7)
    assert reviewed["mcnemar_p"] == 0.5, "two parts can split evenly or not: frame by frame it would be 2 of 128"


def test_frames_of_one_part_change_their_flags_together(server: Served) -> None:
    def half_width(start_at: int, parts: list[str]) -> float:
        assert start(server).status_code == 200
        for number, part in enumerate(parts):
            # Only the shadow flags every second one.
            server.inspect(grey_png(0.22 if number % 2 else 0.1), part_id=part, camera=f"{start_at + number}")
        found = comparison(server, len(parts))
        assert found["flag_change"] == pytest.approx(1 / 2)
        width: float = found["flag_change_high"] - found["flag_change_low"]
        return width / 2

    assert half_width(0, [f"one-{number}" for number in range(8)]) == pytest.approx(
        1.96 * (4 + 1 - 16 / 10) ** 0.5 / 10, 1e-3
    )
    # Two flags of the four are of one part, and so are the other two.
    shared = [f"two-{number // 4}" for number in range(8)]
    assert half_width(8, shared) == pytest.approx(1.96 * (8 + 1 - 16 / 10) ** 0.5 / 10, 1e-3)


def test_shares_of_frames_are_as_sure_as_their_parts_make_them(server: Served) -> None:
    def widths(start_at: int, parts: list[str]) -> list[float]:
        assert start(server).status_code == 200
        for number, part in enumerate(parts):
            # Half the parts are flagged by both, a quarter by the shadow alone; all frames of a part look the same.
            brightness = (0.4, 0.4, 0.22, 0.1)[number * 8 // len(parts) % 4]
            server.inspect(grey_png(brightness), part_id=part, camera=f"{start_at + number}")
        found = comparison(server, len(parts))
        shares = [found[name] for name in ("agreement", "active_flags", "shadow_flags")]
        assert [(one["value"], one["denominator"]) for one in shares] == [(0.75, 32), (0.5, 32), (0.75, 32)]
        return [one["high"] - one["low"] for one in shares]

    alone = widths(0, [f"one-{number}" for number in range(32)])
    together = widths(32, [f"four-{number // 4}" for number in range(32)])
    assert alone == pytest.approx([0.29, 0.33, 0.29], abs=0.01), "Wilson's of 32 frames"
    for shared, single in zip(together, alone, strict=True):
        assert shared > 1.7 * single, "eight parts tell less than half as much, however often they are seen"


def test_held_and_repeated_frames_are_not_scored(server: Served) -> None:
    start(server)
    server.inspect(b"rubbish", part_id="held")
    for _ in range(2):
        server.post(grey_png(0.4), key="once")
    server.inspect(grey_png(0.5), part_id="last")
    assert comparison(server, 2)["frames"] == 2


def test_shadow_outlasts_a_restart_and_ends_when_told_or_promoted(
    start_server: StartServer, server: Served, bundles: Path
) -> None:
    start(server)
    again = start_server(bundles=bundles)
    again.inspect(grey_png(0.25))
    comparison(again, 1)
    assert [(one["version"], one["shadow"]) for one in again.client.get("/v1/models").json()] == [
        ("2", False),
        ("1", True),
    ]
    told = {"person": "eve", "reason": "enough seen"}
    assert again.client.delete("/v1/models/shadow").status_code == 422
    assert again.client.delete("/v1/models/shadow", params=told).json()["ended_at"] is not None
    assert again.client.delete("/v1/models/shadow", params=told).status_code == 404
    assert again.client.get("/v1/models/shadow").json()["frames"] == 1, "what it scored stays"
    start(again)
    runs = again.client.get("/v1/models/shadow/runs").json()
    assert [(run["number"], run["version"], run["ended_at"] is None) for run in runs] == [
        (2, "1", True),
        (1, "1", False),
    ]
    body = {"version": "1", "reason": "better", "person": "eve"}
    assert again.client.post("/v1/models", json=body).status_code == 200
    assert not any(one["shadow"] for one in again.client.get("/v1/models").json())
    with again.service.store.reading() as connection:
        kept = [entry for entry in entries(connection) if entry["action"] == Action.SHADOW]
        assert [entry["reason"] for entry in kept] == ["candidate", "enough seen", "candidate", "it was promoted"]
        assert verify(connection).broken == ()


def test_what_cannot_be_a_shadow_is_refused_with_the_reason(server: Served, bundles: Path) -> None:
    assert "decides already" in start(server, "2").json()["detail"]
    assert start(server, "9").status_code == 404
    model = bundles / "brightness-1/model.onnx"
    model.write_bytes(model.read_bytes() + b" ")
    refused = start(server)
    assert refused.status_code == 409
    assert "model.onnx was altered" in refused.json()["detail"]


def test_failing_shadow_never_hurts_the_line(server: Served) -> None:
    start(server)
    present = server.service.shadow.present
    assert present is not None
    server.service.shadow.change(Shadowing(present.sequence, Failing(present.bundle)))
    verdicts = {server.inspect(grey_png(0.1), part_id=f"{number}")["verdict"] for number in range(5)}
    assert verdicts == {"PASS"}
    eventually(lambda: "qc_shadow_failed_total 5.0" in server.client.get("/metrics").text)
    assert server.client.get("/v1/models/shadow").json()["frames"] == 0
    server.service.shadow.change(present)
    server.inspect(grey_png(0.1))
    assert comparison(server, 1)["frames"] == 1, "it goes on with the next frame"


def test_busy_line_drops_the_shadows_frames_and_counts_them(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    start(server)
    monkeypatch.setattr(type(server.service.line), "in_progress", property(lambda _: 1))
    for number in range(70):
        server.inspect(grey_png(0.1), part_id=f"{number}")
    assert "qc_shadow_dropped_total 6.0" in server.client.get("/metrics").text
    assert "qc_shadow_scored_total 0.0" in server.client.get("/metrics").text
    monkeypatch.undo()
    assert comparison(server, 64)["frames"] == 64


def test_command_line_starts_stops_and_rolls_back(server: Served) -> None:
    def run(*arguments: str) -> str:
        told = ["--reason", "night shift", "--person", "eve", "--url", server.url]
        return CliRunner().invoke(app, [*arguments, *told], catch_exceptions=False).stdout.splitlines()[-1]

    with pytest.raises(InputError, match="no other bundle"):
        run("rollback")
    assert "brightness 1 scores silently" in run("shadow", "1")
    assert "brightness 1 is no shadow any more" in run("shadow", "--stop")
    with pytest.raises(InputError, match="no bundle is a shadow"):
        run("shadow", "--stop")
    with pytest.raises(InputError, match="give a version"):
        run("shadow")
    assert run("promote", "1") == "brightness 1 decides now"
    assert [one["version"] for one in server.client.get("/v1/models").json() if one["previous"]] == ["2"]
    assert run("rollback") == "brightness 2 decides now"
    assert [one["version"] for one in server.client.get("/v1/models").json() if one["previous"]] == ["1"]


def test_card_is_served_in_a_sandbox_and_only_unaltered(server: Served, bundles: Path) -> None:
    answer = server.client.get("/v1/models/1/card")
    assert answer.text == CARD
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policies = answer.headers.get_list("content-security-policy")
    assert any("sandbox" in policy and "default-src 'none'" in policy for policy in policies)
    assert server.client.get("/v1/models/2/card").status_code == 404
    (bundles / "brightness-1/model_card.html").write_text(CARD + " ")
    assert server.client.get("/v1/models/1/card").status_code == 409
