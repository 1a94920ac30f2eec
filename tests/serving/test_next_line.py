"""Which line next, and the figures that are tracked beside the money."""

from pathlib import Path
from typing import Any

import pytest

from data.errors import InputError
from serving.assumptions import read_assumptions
from serving.candidates import rank, read_candidates
from serving.kpi_schema import Candidate
from serving.spread import Triangular
from tests.conftest import ROOT, Served, grey_png
from tests.serving.test_reviews import review

INPUTS = read_assumptions(ROOT / "configs/roi/case_study.yaml").inputs
WHO = {"person": "mei", "reason": "survey of October"}


def candidate(name: str, **changes: Any) -> Candidate:
    given: dict[str, Any] = {
        "name": name,
        "volume": 2_000_000,
        "defective_rate": 0.01,
        "escape_rate": 0.2,
        "escape_cost": 300,
        "cost": 200_000,
        "labelled_images": 2000,
        "defect_images": 300,
        "camera": True,
        **changes,
    }
    return Candidate(**given)


def test_the_most_valuable_is_first_and_the_pilot_is_where_data_are_ready() -> None:
    ranking = rank(
        [
            candidate("small", volume=1_000_000),
            candidate("big without data", volume=9_000_000, labelled_images=0, defect_images=0),
            candidate("ready"),
            candidate("hopeless", volume=10_000),
        ],
        INPUTS,
        "USD",
    )
    assert [(item.candidate.name, item.step) for item in ranking.items] == [
        ("big without data", "collect_data"),
        ("ready", "pilot"),
        ("small", "next"),
        ("hopeless", "not_worth"),
    ]
    first = ranking.items[0]
    assert first.p5 < first.p50 < first.p95 and first.expected > 0
    assert first.readiness == pytest.approx(1 / 3)
    assert [missing.en for missing in first.missing] == ["0 of 1,000 labelled images", "0 of 149 images with a defect"]
    assert ranking.items[-1].loses == pytest.approx(1)


def test_a_wider_cost_of_an_escape_gives_a_wider_value() -> None:
    narrow, wide = (
        rank(
            [candidate("a", escape_cost_low=low, escape_cost_high=high, defective_rate_low=0.01)], INPUTS, "USD"
        ).items[0]
        for low, high in ((290, 310), (100, 500))
    )
    assert wide.p95 - wide.p5 > 1.2 * (narrow.p95 - narrow.p5)


def test_a_triangle_of_the_escape_rate_is_as_unsure_elsewhere() -> None:
    def width(low: float, high: float) -> float:
        spread = Triangular(low=low, high=high)
        unsure = INPUTS.escape_rate_after.model_copy(update={"spread": spread})
        known = {"defective_rate_low": 0.01, "escape_cost_low": 300}
        item = rank(
            [candidate("a", escape_rate=0.4, **known)], INPUTS.model_copy(update={"escape_rate_after": unsure}), "USD"
        ).items[0]
        return item.p95 - item.p5

    assert width(0.02, 0.2) > 1.5 * width(0.129, 0.131)


def test_what_is_guessed_for_want_of_bounds_is_told() -> None:
    notes = [
        note.en
        for note in rank(
            [candidate("a", defective_rate_low=0.005), candidate("b", escape_cost_low=9)], INPUTS, "USD"
        ).notes
    ]
    assert "Volume and today's escape rate have no spread and are taken as certain." in notes
    assert "Without low and high the defect rate is taken to be within a factor of about 2.5: b." in notes
    assert "Without low and high the cost of an escape is taken to be within a factor of about 2.5: a." in notes


def test_a_value_that_overlaps_the_next_is_told() -> None:
    ranking = rank([candidate("a"), candidate("b", volume=2_100_000)], INPUTS, "USD")
    assert any(note.en == "b and a overlap: their order may be chance." for note in ranking.notes)


def test_candidates_come_from_yaml_or_csv(tmp_path: Path) -> None:
    examples = read_candidates(ROOT / "configs/roi/candidates.yaml")
    names = [name for name in Candidate.model_fields if any(getattr(one, name) is not None for one in examples)]
    rows = [
        ",".join(f'"{getattr(one, name)}"' if getattr(one, name) is not None else "" for name in names)
        for one in examples
    ]
    file = tmp_path / "candidates.csv"
    file.write_text("\n".join([",".join(names), *rows]), encoding="utf-8")
    assert read_candidates(file) == examples


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("a,-5,0.01,0.2,300,1000", "line 2: volume: Input should be greater than 0"),
        ("a,5,1.01,0.2,300,1000", "line 2: defective_rate"),
        ("a,5,0.01,0.2,300,1e307", "line 2: cost: Input should be less than or equal to 1000000000000"),
    ],
)
def test_a_candidate_that_cannot_be_is_refused(tmp_path: Path, cells: str, message: str) -> None:
    file = tmp_path / "candidates.csv"
    file.write_text(f"name,volume,defective_rate,escape_rate,escape_cost,cost\n{cells}\n")
    with pytest.raises(InputError, match=message):
        read_candidates(file)


def test_candidates_over_http(server: Served) -> None:
    assert server.client.get("/v1/roi/candidates").json() is None
    body = {"candidates": [candidate("a").model_dump(), candidate("b", volume=1_000_000).model_dump()]}
    ranking = server.client.post("/v1/roi/candidates", json=body).json()
    assert [item["candidate"]["name"] for item in ranking["items"]] == ["a", "b"]
    assert ranking["currency"] == "USD"
    body["candidates"][1]["name"] = "a"
    assert (
        server.client.post("/v1/roi/candidates", json=body).json()["detail"] == "candidates: a is named more than once"
    )


def test_surveys_are_imported_and_never_summed_into_money(server: Served) -> None:
    before = server.client.get("/v1/roi").json()["measured"]["first_year_benefit"]
    content = """kpi,day,value,n,source
survey,2026-10-01,3.4,41,team survey
survey,2026-11-01,3.9,44,team survey
nps,2026-11-01,31,12,key accounts"""
    assert server.client.post("/v1/kpis", content=content, params=WHO).json()["rows"] == 3
    found = server.client.get("/v1/kpis").json()
    assert [
        (one["key"], one["category"], [point["value"] for point in one["points"]]) for one in found["imported"]
    ] == [
        ("survey", "employees", [3.4, 3.9]),
        ("nps", "customers", [31.0]),
    ]
    assert server.client.get("/v1/roi").json()["measured"]["first_year_benefit"] == before
    wrong = server.client.post("/v1/kpis", content="kpi,day,value,source\nnps,2026-11-01,310,x", params=WHO)
    assert "nps goes from -100 to 100, found 310" in wrong.json()["detail"]


def test_override_rate_and_days_to_add_a_class(server: Served) -> None:
    rejected = [server.inspect(grey_png(0.9), part_id=f"R-{number}") for number in range(4)]
    for inspection in rejected[:3]:
        review(server, inspection["id"], "DEFECT_CONFIRMED", defect_class="bright")
    review(server, rejected[3]["id"], "FALSE_CALL")
    review(server, server.inspect(grey_png(0.5), part_id="U-1")["id"], "FALSE_CALL")
    found = server.client.get("/v1/kpis").json()
    assert (found["override_rate"]["numerator"], found["override_rate"]["denominator"]) == (1, 4)
    assert found["new_classes"] == [], "the model knows bright"
    review(server, server.inspect(grey_png(0.9), part_id="S-1")["id"], "DEFECT_CONFIRMED", defect_class="scratch")
    (new,) = server.client.get("/v1/kpis").json()["new_classes"]
    assert (new["name"], new["known_at"]) == ("scratch", None)
    assert 0 <= new["days"] < 0.1
