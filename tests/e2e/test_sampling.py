"""The page of audits: challenge parts by a form, field returns by a file, and the plan as a picture."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import Watch
from tests.serving.test_reviews import review


class TestSampling:
    @pytest.fixture
    def server(self, start_server: StartServer) -> Served:
        return start_server(audit={"per_day": 40, "first_share": 1.0})

    def test_a_challenge_part_is_named_and_one_that_came_before_is_refused(
        self, page: Page, server: Served, watch: Watch
    ) -> None:
        server.inspect(grey_png(0.1), part_id="P-1")
        page.goto("/sampling")
        form = page.get_by_test_id("challenges")
        form.get_by_label("Name or badge").fill("max")
        form.get_by_label("Part", exact=True).fill("C-1")
        form.get_by_label("Defect class").fill("crack")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("row", name=re.compile("C-1"))).to_contain_text("crack")
        stored = server.client.get("/v1/challenges").json()
        assert [(one["part_id"], one["defective"], one["defect_class"]) for one in stored] == [("C-1", True, "crack")]
        expect(page.get_by_test_id("returns").get_by_label("CSV file")).to_be_enabled()
        watch.expected = ("409",)
        form.get_by_label("Part", exact=True).fill("P-1")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("alert")).to_contain_text("a challenge part is named before it comes")

    def test_a_wrong_file_is_told_by_its_lines_and_a_right_one_counted(
        self, page: Page, server: Served, watch: Watch, tmp_path: Path
    ) -> None:
        server.inspect(grey_png(0.1), part_id="P-1")
        wrong, right = tmp_path / "wrong.csv", tmp_path / "right.csv"
        wrong.write_text("part_id,found_at\nP-1,yesterday\nP-2,2026-11-01T00:00:00\n", encoding="utf-8")
        right.write_text("part_id,found_at,cost\nP-1,2026-11-20T00:00:00Z,250\n", encoding="utf-8")
        watch.expected = ("422",)
        page.goto("/sampling")
        card = page.get_by_test_id("returns")
        card.get_by_label("Name or badge").fill("max")
        card.locator("input[type=file]").set_input_files(wrong)
        alert = card.get_by_role("alert")
        expect(alert).to_contain_text("line 2: found_at")
        expect(alert).to_contain_text("line 3: found_at")
        assert server.client.get("/v1/returns").json() == []
        card.locator("input[type=file]").set_input_files(right)
        expect(card.get_by_role("status")).to_contain_text("1 added, 1 of them had passed here")
        expect(card.get_by_role("row", name=re.compile("P-1"))).to_contain_text("250")

    def test_the_plan_shows_what_was_drawn_and_decided(self, page: Page, server: Served) -> None:
        ids = [server.inspect(grey_png(0.1), part_id=f"P-{number}")["id"] for number in range(3)]
        review(server, ids[0], "FALSE_CALL")
        page.goto("/sampling")
        plan = page.get_by_test_id("plan")
        expect(plan).to_contain_text("Drawn in 24 hours: 3 of 40")
        expect(plan.get_by_role("row", name=re.compile("20%–50%"))).to_contain_text("3 / 1")
        bands = server.client.get("/v1/sampling").json()["bands"]
        assert [(band["drawn"], band["decided"]) for band in bands if band["drawn"]] == [(3, 1)]
