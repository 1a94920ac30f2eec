"""What people are refused is said in both languages, and what cameras and scripts read stays the English sentence."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import data
import serving
from data.decide import Bound, Counted
from data.targets import TargetResult
from data.wording import text
from serving.problem import ProblemError, explain_fields
from serving.role import Role
from tests.accounts import add_person, key_client, person_client, sign_in
from tests.conftest import Served, StartServer, write_brightness_bundle

CHINESE = re.compile(r"[\u4e00-\u9fff]")
WHY = {"person": "max", "reason": "because"}

# What only cameras, scripts and whoever sets up a proxy meet, by the module that says it.
ENGLISH_ALONE = {
    "access.py": 1,
    "admission.py": 2,
    "gate.py": 2,
    "line.py": 2,
    "routes/inspections.py": 5,
    "space.py": 1,
}


@pytest.mark.parametrize(
    ("method", "path", "body", "english"),
    [
        ("GET", "/v1/inspections/nowhere", None, "there is no inspection nowhere"),
        (
            "GET",
            "/v1/inspections?cursor=x",
            None,
            "cursor: not one that this server gave; leave it out for the first page",
        ),
        ("GET", "/v1/nothing", None, "nothing at /v1/nothing; /docs lists what there is"),
        ("PUT", "/v1/models", None, "PUT is not possible at /v1/models; /docs lists what is"),
        ("GET", "/v1/reports/2026-W99", None, None),
        ("GET", "/v1/roi/assumptions/luck", None, None),
        ("GET", "/v1/metrics/quality/figures?shift=tea", None, None),
        ("GET", "/v1/baselines/b/comparison?first_day=2026-01-01&last_day=2026-01-02", None, "there is no baseline b"),
        ("GET", "/v1/studies/s/task?person=ann", None, "there is no study s"),
        ("POST", "/v1/returns/csv?person=max&reason=because", "part,colour\nP-1,red\n", None),
        ("POST", "/v1/models/shadow", {"version": "v9", **WHY}, None),
        ("DELETE", "/v1/line-holds/h?person=max&reason=because", None, "there is no hold h of a line"),
        ("DELETE", "/v1/holds/h?person=max&reason=because", None, "there is no hold h"),
        ("PUT", "/v1/alarms/a/acknowledgement", WHY, "there is no alarm a"),
        ("POST", "/v1/line-holds", {"line": "", "reason": "because"}, None),
        ("POST", "/v1/holds", WHY, "give one of part_id, lot, and a time range (since, until)"),
    ],
)
def test_a_refusal_is_said_in_both_languages(
    server: Served, method: str, path: str, body: dict[str, str] | str | None, english: str | None
) -> None:
    content = {"content": body} if isinstance(body, str) else {"json": body}
    answer = server.client.request(method, path, **content)
    assert 400 <= answer.status_code < 500
    problem = answer.json()
    assert english is None or problem["detail"] == english
    assert not CHINESE.search(problem["detail"])
    assert CHINESE.search(problem["detail_zh_hant"])


def test_who_may_not_come_in_reads_why_in_both_languages(start_server: StartServer) -> None:
    server = start_server(auth=True)
    add_person(server, "ann", Role.INSPECTOR)
    stranger = server.another_client()
    ann = person_client(server, "bob", Role.INSPECTOR)
    told = [
        (stranger.get("/v1/models"), 401, "登入"),
        (sign_in(stranger, "ann", "wrong"), 401, "姓名或密碼錯誤"),
        (ann.get("/v1/people"), 403, "檢驗員"),
        (key_client(server, Role.CAMERA).get("/v1/models"), 403, "相機"),
        (ann.delete("/v1/session", headers={"X-CSRF-Token": "wrong"}), 403, "重新載入"),
    ]
    for answer, status, words in told:
        assert answer.status_code == status
        assert words in answer.json()["detail_zh_hant"]
        assert not CHINESE.search(answer.json()["detail"])


def test_what_only_cameras_meet_is_said_in_english(server: Served) -> None:
    answer = server.client.post("/v1/inspections", headers={"Idempotency-Key": ""})
    assert (answer.json()["detail"], answer.json()["detail_zh_hant"]) == ("Idempotency-Key: 1 to 200 characters", None)


def test_an_error_reads_as_its_english_sentence() -> None:
    error = ProblemError(404, text("there is no study 7", "沒有研究 7"))
    assert str(error) == error.detail == "there is no study 7"


def test_fields_at_fault_are_named_in_both_languages() -> None:
    told = explain_fields(
        [
            {"type": "missing", "loc": ("body", "person"), "msg": "Field required"},
            {"type": "less_than", "loc": ("query", "share"), "msg": "Input should be less than 1", "ctx": {"lt": 1.0}},
            {"type": "value_error", "loc": ("body",), "msg": "Value error, not {this}", "ctx": {}},
        ]
    )
    assert told.en == "person: missing; share: Input should be less than 1; not {this}"
    assert told.zh_hant == "person：缺少此欄位；share：須小於 1；not {this}"


def test_what_speaks_against_a_model_is_said_in_both_languages(start_server: StartServer, tmp_path: Path) -> None:
    bundles = tmp_path / "bundles"
    write_brightness_bundle(bundles / "present", "2", skill=0.2)
    server = start_server(bundles=bundles)
    missed = TargetResult(name="escape_rate", limit="at most", wanted=0.02, value=0.05, low=0.04, high=0.06)
    write_brightness_bundle(bundles / "worse", "3", skill=0.2, targets=[missed])
    write_brightness_bundle(bundles / "altered", "4")
    (bundles / "altered/model.onnx").write_bytes(b"")
    told = {}
    for version in ("3", "4"):
        answer = server.client.post("/v1/models", json={"version": version, **WHY})
        assert answer.status_code == 409
        told[version] = answer.json()
    assert "未達目標：漏檢率 0.05（95 % 區間 0.04 至 0.06），要求至多 0.02：未達標" in told["3"]["detail_zh_hant"]
    assert "無法證明 brightness 3 優於 brightness 2" in told["3"]["detail_zh_hant"]
    assert "model.onnx 在匯出後遭更動" in told["4"]["detail_zh_hant"]
    for problem in told.values():
        assert not CHINESE.search(problem["detail"])
        # Names and figures apart, no English clause is left in the Chinese.
        assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", problem["detail_zh_hant"])


def test_whatever_is_wrong_with_a_bundle_is_said_in_both_languages() -> None:
    for directory in (Path(serving.__file__).parent, Path(data.__file__).parent):
        for file in sorted(directory.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "BundleError":
                    assert ast.unparse(node.args[0]).startswith("text("), f"{file.name}:{node.lineno}"


@pytest.mark.parametrize("allowed", [None, 3])
@pytest.mark.parametrize("observed", [0, 4])
@pytest.mark.parametrize("of_class", [None, "crack"])
@pytest.mark.parametrize("counted", ["images", "parts"])
def test_a_bound_is_told_with_the_same_figures_in_both_languages(
    allowed: int | None, observed: int, of_class: str | None, counted: Counted
) -> None:
    bound = Bound(
        rate="escape rate", limit=0.02, delta=0.05, n=77, allowed=allowed, observed=observed, needed=149,
        of_class=of_class, counted=counted,
    )  # fmt: skip
    figures = re.compile(r"\d+(?:\.\d+)?%?")
    english, chinese = bound.sentence.en, bound.sentence.zh_hant
    assert Counter(figures.findall(english)) == Counter(figures.findall(chinese))
    assert of_class is None or of_class in chinese
    assert "漏檢率" in chinese


def test_a_refusal_that_people_meet_is_never_in_english_alone() -> None:
    alone: Counter[str] = Counter()
    for module, said in refusals():
        match said:
            case ast.Constant() | ast.JoinedStr():
                alone[module] += 1
            case ast.Call(func=ast.Name(id="text"), args=[_, ast.Constant() | ast.JoinedStr() as chinese]):
                words = ast.unparse(chinese)
                assert CHINESE.search(words) or "zh_hant" in words, f"{module}:{said.lineno}: {words} is not Chinese"
    assert alone == ENGLISH_ALONE, "say it as a Text (data.wording), unless only cameras and scripts meet it"


def refusals() -> Iterator[tuple[str, ast.expr]]:
    """Every ProblemError that the server's code makes: the module, and what it says."""
    top = Path(serving.__file__).parent
    for file in sorted(top.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ProblemError"):
                yield file.relative_to(top).as_posix(), node.args[1]
