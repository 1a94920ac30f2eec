"""A study at the screen: every part once alone and once with the model's verdict, called by the keys of the Review page."""

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, grey_png
from tests.e2e.test_review import open_review
from tests.serving.test_agreement import plan
from tests.serving.test_comparison import compared
from tests.serving.test_reviews import review

PARTS = 20  # with fewer than ten defects the comparison gives no figure


@pytest.fixture
def truth(server: Served) -> dict[str, bool]:
    """Decided parts, half of them defective; the model rejects the defects and passes the others."""
    found = {}
    for number in range(PARTS):
        defective = number % 2 == 0
        frame = server.inspect(
            grey_png(0.95 - number / 100 if defective else 0.05 + number / 100), part_id=f"T-{number}"
        )
        review(server, frame["id"], "DEFECT_CONFIRMED" if defective else "FALSE_CALL")
        found[frame["id"]] = defective
    return found


def test_calls_with_and_without_the_model_become_the_comparison(
    page: Page, server: Served, truth: dict[str, bool]
) -> None:
    planned = plan(server, kind="WITH_AI", people=["ann"], parts=PARTS, trials=2)
    assert planned.status_code == 201, planned.text
    study = planned.json()["id"]
    open_review(page, "ann")
    page.goto("/study")
    page.get_by_role("button", name="Begin").click()
    aided = 0
    for done in range(2 * PARTS):
        expect(page.get_by_text(f"{done} of {2 * PARTS} calls")).to_be_visible()
        task = server.client.get(f"/v1/studies/{study}/task", params={"person": "ann"}).json()
        told = task["aid"] is not None
        expect(page.get_by_test_id("aid")).to_have_count(int(told))
        if told:
            aided += 1
            expect(page.get_by_test_id("viewer")).to_have_attribute("data-drawn", task["inspection_id"])
        else:
            expect(page.get_by_role("img", name=f"Part {done + 1}")).to_be_visible()
        # D is defective and F is good, as on the Review page; alone, ann misses every defect
        page.keyboard.press("d" if truth[task["inspection_id"]] and told else "f")
    expect(page.get_by_text("All done, thank you")).to_be_visible()
    assert aided == PARTS
    readers = {reader["who"]: reader for reader in compared(server, study)["readers"]}
    assert {who: reader["sensitivity"]["value"] for who, reader in readers.items()} == {
        "people": 0.0,
        "model": 1.0,
        "people_with_model": 1.0,
    }
    page.goto("/quality")
    page.get_by_role("combobox").filter(has_text="Ordinary reviews of the period").select_option(study)
    expect(page.get_by_text("People with the model").first).to_be_visible()
