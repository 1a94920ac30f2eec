"""The audit page in a real browser: who did what, in words, and whether the record stands."""

import re
from typing import Any
from uuid import uuid4

from playwright.sync_api import Page, expect
from sqlalchemy import update

from serving.tables import holds
from tests.conftest import Served, grey_png


def filled(server: Served) -> None:
    inspection = server.inspect(grey_png(0.9))
    review: dict[str, Any] = {"inspection_id": inspection["id"], "decision": "FALSE_CALL", "reviewer": "ann"}
    review |= {"decided_at": "2026-11-01T08:00:00Z", "note": "only dust"}
    assert server.client.put(f"/v1/reviews/{uuid4()}", json=review).status_code == 200
    hold = {"lot": "L-7", "person": "bob", "reason": "claim 7"}
    assert server.client.post("/v1/holds", json=hold).status_code == 201


def test_entries_are_listed_filtered_and_opened(page: Page, server: Served) -> None:
    filled(server)
    page.goto("/audit")
    expect(page.get_by_test_id("entry-1")).to_contain_text("Took assumptions from a file")
    expect(page.get_by_test_id("entry-2")).to_contain_text("Reviewed a part")
    expect(page.get_by_test_id("entry-3")).to_contain_text("Set a legal hold")
    expect(page.get_by_test_id("entry-3")).to_contain_text("lot L-7")
    part = page.get_by_test_id("entry-2").get_by_role("link", name=re.compile("^part "))
    expect(part).to_have_attribute("href", re.compile(r"^/history\?id="))
    page.get_by_label("What happened").select_option(label="Set a legal hold")
    expect(page.get_by_test_id("entry-2")).to_be_hidden()
    page.get_by_role("button", name="Details of entry 3").click()
    expect(page.get_by_text("L-7").last).to_be_visible()
    page.get_by_label("What happened").select_option(label="Everything")
    page.get_by_label("Person").fill("ann")
    expect(page.get_by_test_id("entry-3")).to_be_hidden()
    expect(page.get_by_test_id("entry-2")).to_contain_text("only dust")
    page.get_by_label("Person").fill("nobody")
    expect(page.get_by_text("No entries")).to_be_visible()


def test_what_came_in_as_a_table_is_told_by_its_days(page: Page, server: Served) -> None:
    who = {"person": "ann", "reason": "the year before"}
    head = "day,line,product,inspected,flagged,false_calls,confirmed,audited,audit_defects,escapes"
    rows = [f"2026-03-0{day},line-1,cell,100,9,4,5,10,0,0" for day in (2, 3, 4)]
    csv = "\n".join([head, *rows])
    server.client.post("/v1/past-counts", content=csv, params=who).raise_for_status()
    figures = "kpi,day,value,n,source\nnps,2026-03-09,31,40,survey of spring"
    server.client.post("/v1/kpis", content=figures, params=who).raise_for_status()
    returned = [{"part_id": f"{number}", "found_at": "2026-03-09T00:00:00Z"} for number in (17, 18)]
    for returns in (returned, [{**returned[0], "part_id": "19"}]):
        server.client.post("/v1/returns", json={"returns": returns, "person": "ann"}).raise_for_status()
    page.goto("/audit")
    expect(page.get_by_test_id("entry-1")).to_contain_text("30 assumptions")
    expect(page.get_by_test_id("entry-2")).to_contain_text("2026-03-02 to 2026-03-04 · 3 rows")
    expect(page.get_by_test_id("entry-3")).to_contain_text("2026-03-09 · 1 row")
    expect(page.get_by_test_id("entry-4")).to_contain_text("2 parts")
    expect(page.get_by_test_id("entry-5")).to_contain_text("part 19")


def test_the_page_tells_of_an_altered_record(page: Page, server: Served) -> None:
    filled(server)
    page.goto("/audit")
    status = page.get_by_test_id("chain-status")
    page.get_by_role("button", name="Check now").click()
    expect(status).to_contain_text("3 entries")
    expect(status).to_contain_text("The record is as it was written")
    store = server.service.store
    store.submit(lambda connection: connection.execute(update(holds).values(person="eve")) and None).result()
    page.get_by_role("button", name="Check now").click()
    expect(status).to_contain_text("The record was altered")
    expect(status).to_contain_text(re.compile("Entry 3: holds .* was altered after it was written"))
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()
    expect(status).to_contain_text("紀錄曾遭竄改")
    expect(page.get_by_test_id("entry-3")).to_contain_text("設定法律保全")
