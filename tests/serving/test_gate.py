"""Who may call, what headers go out, what a page without the UI says, and that nothing heavy is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import InputError
from serving.settings import load_settings
from tests.conftest import ROOT, Served, grey_png, settings_arguments

CONFIG = ROOT / "configs/serving/default.yaml"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
        ("http://[", 403),
        ("own", 201),
    ],
)
def test_foreign_page_may_not_post(server: Served, origin: str, status: int) -> None:
    headers = {"Origin": server.url.rstrip("/") if origin == "own" else origin}
    answer = server.client.post("/v1/inspections", params=server.frame(), content=grey_png(0.1), headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.headers["content-type"] == "application/problem+json"
    assert len(server.client.get("/v1/inspections").json()["items"]) == (status == 201)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("192.168.1.5:8000", 400),
        ("[", 400),
        ("a]b", 400),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
    ],
)
def test_only_loopback_names_are_answered(server: Served, host: str, status: int) -> None:
    assert server.client.get("/readyz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("path", ["/v1/models", "/docs", "/v1/nothing", "/healthz"])
def test_every_answer_carries_the_safe_headers(server: Served, path: str) -> None:
    headers = server.client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"], "scripts fall under default-src: own files only"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"]


def test_an_answer_to_a_failure_carries_them_too_and_the_id_that_the_log_has(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.service.models, "list", lambda: 1 / 0)
    answer = server.client.get("/v1/models")
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (500, "nosniff")
    assert answer.headers["x-request-id"]


def test_docs_load_nothing_from_elsewhere(server: Served) -> None:
    page = server.client.get("/docs").text
    assert "//" not in page.replace("<!doctype html>", "")
    assert "<script>" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/docs/assets/{asset}" in page
        assert server.client.get(f"/docs/assets/{asset}").status_code == 200
    assert "SwaggerUIBundle" in server.client.get("/docs/start.js").text
    assert server.client.get("/openapi.json").json()["openapi"].startswith("3.")


def test_prometheus_counts_inspections(server: Served) -> None:
    server.inspect(grey_png(0.9))
    server.inspect(b"rubbish")
    text = server.client.get("/metrics").text
    assert 'qc_inspections_total{verdict="REJECT"} 1.0' in text
    assert 'qc_inspections_total{verdict="NO_DECISION"} 1.0' in text
    assert 'qc_no_decisions_total{cause="UNREADABLE"} 1.0' in text
    assert "qc_inspection_seconds_count 2.0" in text


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com"])
def test_address_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="reachable from other machines"):
        load_settings(CONFIG, [f"host='{host}'"])


def test_environment_beats_the_file_and_set_beats_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("port: 1\nqueue_limit: 5\nthreads: 3\n")
    monkeypatch.setenv("QC_PORT", "2")
    monkeypatch.setenv("QC_THREADS", "4")
    settings = load_settings(file, ["port=3"])
    assert (settings.port, settings.threads, settings.queue_limit) == (3, 4, 5)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("colour=red", "colour: unknown key"),
        ("database_url=nonsense", "database_url cannot be used"),
        ("images=/proc/nowhere", "image store /proc/nowhere cannot be used"),
        ("roi_assumptions=nowhere.yaml", "nowhere.yaml cannot be read"),
    ],
)
def test_unusable_setting_ends_with_one_sentence_and_code_2(tmp_path: Path, override: str, named: str) -> None:
    overrides = [*settings_arguments(tmp_path, tmp_path), override]
    arguments = [part for item in overrides for part in ("--set", item)]
    command = [sys.executable, "-m", "serving", "serve", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert named in ended.stderr


def test_serving_imports_no_training_library() -> None:
    forbidden = "torch torchvision timm albumentations mlflow sklearn onnx"
    script = f"import sys, serving.__main__, data.bundle\nprint(sorted(set('{forbidden}'.split()) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_openapi_names_every_operation() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "serving", "openapi"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = json.loads(ended.stdout)
    names = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert names == {
        "post_inspection",
        "list_inspections",
        "get_inspection",
        "get_inspection_image",
        "get_inspection_heatmap",
        "get_part",
        "review_queue",
        "review_choices",
        "claim_reviews",
        "release_reviews",
        "get_similar",
        "get_inspection_thumbnail",
        "list_reviews",
        "list_history",
        "outline_history",
        "export_history",
        "export_history_workbook",
        "get_past",
        "put_review",
        "quality_metrics",
        "quality_figures",
        "escape_metrics",
        "spc_metrics",
        "agreement_metrics",
        "bias_metrics",
        "compare_study",
        "throughput_metrics",
        "trend_metrics",
        "list_studies",
        "create_study",
        "get_study_task",
        "answer_study",
        "get_audit_plan",
        "list_challenges",
        "put_challenge",
        "list_field_returns",
        "add_field_returns",
        "upload_field_returns",
        "get_roi",
        "try_roi",
        "list_assumption_versions",
        "change_assumption",
        "rank_candidates",
        "try_candidates",
        "upload_candidates",
        "get_kpis",
        "import_kpis",
        "import_history",
        "list_baselines",
        "freeze_baseline",
        "compare_baseline",
        "list_rollouts",
        "roll_out",
        "get_attribution",
        "get_report",
        "list_models",
        "promote_model",
        "get_model_card",
        "get_shadow",
        "list_shadow_runs",
        "start_shadow",
        "stop_shadow",
        "list_thresholds",
        "set_thresholds",
        "list_alarms",
        "acknowledge_alarm",
        "list_line_holds",
        "hold_line",
        "release_line",
        "get_drift",
        "events",
        "get_session",
        "sign_in",
        "sign_out",
        "change_password",
        "list_audit_entries",
        "get_audit_check",
        "start_audit_check",
        "list_holds",
        "set_hold",
        "lift_hold",
        "get_retention_plan",
        "start_retention",
        "begin_oidc",
        "finish_oidc",
        "list_people",
        "add_person",
        "change_person",
        "reset_password",
        "list_keys",
        "add_key",
        "revoke_key",
    }


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_load_balancers_may_ask_by_head(server: Served, path: str) -> None:
    answer = server.client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
