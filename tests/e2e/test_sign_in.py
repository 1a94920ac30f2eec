"""A browser at a server that wants to know who is there: signing in, an expired session, roles, people and keys."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import delete

from serving.inspections import get
from serving.role import Role
from serving.tables import sessions
from tests.accounts import PASSWORD, add_person, key_client
from tests.conftest import Served, StartServer, grey_png
from tests.e2e.conftest import NewContext, Watch
from tests.e2e.test_offline import wait_for_the_service_worker
from tests.e2e.test_review import decide, expect_counts


@pytest.fixture
def server(start_server: StartServer) -> Served:
    return start_server(auth=True)


@pytest.fixture
def inspections(server: Served) -> dict[str, Any]:
    """Two flagged parts."""
    camera = key_client(server, Role.CAMERA)
    parts = {}
    for part, brightness in (("E-1", 0.5), ("E-2", 0.6)):
        answer = camera.post("/v1/inspections", params=server.frame(part_id=part), content=grey_png(brightness))
        parts[part] = answer.json()
    return parts


def sign_in(
    page: Page, name: str, password: str = PASSWORD, names: tuple[str, str, str] = ("Name", "Password", "Sign in")
) -> None:
    """`names` are what the two fields and the button are called in the language of the page."""
    page.get_by_label(names[0], exact=True).fill(name)
    page.get_by_label(names[1], exact=True).fill(password)
    page.get_by_role("button", name=names[2], exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Signed in as")).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def review_of(server: Served, inspection: dict[str, Any]) -> dict[str, Any] | None:
    with server.service.store.reading() as connection:
        review = get(connection, inspection["id"]).review
    return None if review is None else review.model_dump()


def test_signing_in_leads_to_the_page_that_was_asked_for(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("401 (Unauthorized)",)
    add_person(server, "ann", Role.MANAGER)
    page.goto("/roi")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()
    expect(page.get_by_role("heading", name="登入")).to_be_visible()
    page.get_by_role("button", name="語言").click()
    page.get_by_role("menuitem", name="English").click()
    sign_in(page, "ann", "wrong")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    sign_in(page, "ann")
    expect(page.get_by_text("First-year ROI").first).to_be_visible()
    assert page.url.endswith("/roi")
    expect(page.get_by_role("button", name="Signed in as ann, Manager")).to_be_visible()
    sign_out(page)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_too_many_tries_count_down(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("429 (Too Many Requests)",)
    add_person(server, "ann", Role.INSPECTOR)
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    problem = {"title": "Too Many Requests", "status": 429, "detail": "too many tries; try again in 2 s"}
    page.route(
        "**/v1/session",
        lambda route: route.fulfill(status=429, headers={"Retry-After": "2"}, json=problem),
        times=1,
    )
    sign_in(page, "ann")
    expect(page.get_by_role("alert")).to_contain_text("Too many tries. Try again in")
    submit = page.get_by_role("button", name="Sign in", exact=True)
    expect(submit).to_be_disabled()
    expect(submit).to_be_enabled()
    submit.click()
    expect(page.get_by_role("button", name="Signed in as ann, Inspector")).to_be_visible()


def test_a_one_time_password_must_be_changed_first(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("403 (Forbidden)",)
    _, one_time = server.service.people.add("ann", Role.INSPECTOR, "test")
    page.goto("/live")
    sign_in(page, "ann", one_time)
    expect(page.get_by_text("This was a one-time password.")).to_be_visible()
    for label, text in (("Present password", "wrong"), ("New password", PASSWORD), ("New password again", PASSWORD)):
        page.get_by_label(label, exact=True).fill(text)
    save = page.get_by_role("button", name="Change password")
    save.click()
    expect(page.get_by_role("alert")).to_have_text("The present password is wrong.")
    page.get_by_label("Present password", exact=True).fill(one_time)
    save.click()
    expect(page.get_by_text("No parts yet")).to_be_visible()


def test_who_signed_in_goes_on_after_a_reload_without_the_server(
    new_context: NewContext, server: Served, watch: Watch
) -> None:
    watch.expected = (*watch.expected, "401 (Unauthorized)")
    add_person(server, "ann", Role.INSPECTOR)
    context = new_context()
    page = context.new_page()
    page.goto("/review")
    sign_in(page, "ann")
    wait_for_the_service_worker(page)
    expect(page.get_by_text("Nothing waits for review")).to_be_visible()
    context.set_offline(True)
    page.reload()
    expect(page.get_by_role("button", name="Signed in as ann, Inspector")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)
    page.goto("/live")
    page.get_by_role("button", name="Signed in as ann, Inspector").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("dialog")).to_contain_text("The server does not answer")
    page.keyboard.press("Escape")
    with page.expect_response("**/v1/session"):
        context.set_offline(False)
    sign_out(page)
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_unsent_review_outlives_the_session_and_is_sent_as_the_same_person(
    page: Page, server: Served, inspections: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("401 (Unauthorized)", "403 (Forbidden)", "ERR_CONNECTION_REFUSED")
    add_person(server, "ann", Role.INSPECTOR)
    add_person(server, "bob", Role.INSPECTOR)
    page.goto("/review")
    sign_in(page, "ann")
    expect_counts(page, waiting=2, decided=0)

    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/v1/reviews/*-*", refuse)
    part = decide(page, "d")
    expect_counts(page, waiting=1, decided=1, unsent=1)
    server.service.store.submit(lambda connection: connection.execute(delete(sessions)) and None).result()
    server.service.credentials.forget()
    page.unroute("**/v1/reviews/*-*", refuse)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("1 decision by ann is kept on this machine")).to_be_visible()
    assert page.url.endswith("/review")
    sign_in(page, "bob")
    expect_counts(page, decided=0)
    expect(page.get_by_role("button", name="1 unsent")).to_be_visible()
    assert review_of(server, inspections[part]) is None
    sign_out(page)
    sign_in(page, "ann")
    expect_counts(page, waiting=1, decided=1, unsent=0)
    review = review_of(server, inspections[part])
    assert review is not None
    assert (review["decision"], review["reviewer"]) == ("DEFECT_CONFIRMED", "ann")


def test_a_note_half_written_is_there_after_signing_in_again(
    page: Page, server: Served, inspections: dict[str, Any], watch: Watch
) -> None:
    watch.expected = ("401 (Unauthorized)",)
    add_person(server, "ann", Role.INSPECTOR)
    page.goto("/review")
    sign_in(page, "ann")
    part = page.get_by_test_id("fact-part").inner_text()
    note = page.get_by_role("textbox", name="Note")
    page.keyboard.press("n")
    expect(note).to_be_focused()
    page.keyboard.type("scratch at the left edge")
    expect(note).to_have_value("scratch at the left edge")
    page.context.clear_cookies()
    page.reload()
    sign_in(page, "ann")
    expect(page.get_by_test_id("fact-part")).to_have_text(part)
    expect(note).to_have_value("scratch at the left edge")
    decide(page, "d")
    expect_counts(page, unsent=0)
    review = review_of(server, inspections[part])
    assert review is not None
    assert review["note"] == "scratch at the left edge"


def test_an_admin_adds_people_and_keys_which_are_shown_once(page: Page, server: Served, watch: Watch) -> None:
    watch.expected = ("409 (Conflict)",)
    add_person(server, "root", Role.ADMIN)
    page.goto("/people")
    sign_in(page, "root")
    page.get_by_role("button", name="Add person").click()
    page.get_by_role("dialog").get_by_label("Name").fill("ann")
    page.get_by_role("dialog").get_by_label("Role").select_option("manager")
    page.get_by_role("button", name="Create").click()
    password = page.get_by_test_id("secret").inner_text()
    answer = server.client.post("/v1/session", json={"name": "ann", "password": password})
    assert answer.json()["role"] == "manager"
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.get_by_role("button", name="New key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("top camera")
    page.get_by_role("button", name="Create").click()
    secret = page.get_by_test_id("secret").inner_text()
    camera = server.another_client(Authorization=f"Bearer {secret}")
    assert camera.get("/v1/session").json()["role"] == "camera"
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert secret not in page.content()
    row = page.get_by_role("row", name=re.compile("top camera"))
    row.get_by_role("button", name="Revoke").click()
    row.get_by_role("button", name="Really?").click()
    expect(row).to_contain_text("revoked")
    assert camera.get("/v1/session").json()["name"] is None
    person = page.get_by_role("row", name=re.compile("^ann"))
    person.get_by_role("button", name="Disable").click()
    person.get_by_role("button", name="Really?").click()
    expect(person).to_contain_text("disabled")
    me = page.get_by_role("row", name=re.compile("^root"))
    me.get_by_role("button", name="Disable").click()
    me.get_by_role("button", name="Really?").click()
    expect(page.get_by_role("alert")).to_contain_text("the last admin")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitem", name="繁體中文").click()
    expect(page.get_by_role("heading", name="人員與金鑰")).to_be_visible()
    assert re.findall(r"\b(?:people|role|account|signIn|password)\.\w+", page.locator("body").inner_text()) == []
