"""Every page in a real browser: it draws, breaks no policy, logs no error, and an accessibility checker is content."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from spotify_assets.dashboard.views import VIEWS
from spotify_assets_tests.dashboard.conftest import Site
from spotify_assets_tests.dashboard.test_application import addresses

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
_NOT_ON_THIS_MACHINE = (
    "there is no Chromium on this machine: install it (apt install chromium) to test in a browser"
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=_NOT_ON_THIS_MACHINE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without a sandbox of its own: Chromium has none where it is run as root.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


class Visit:
    """A page in a window of its own, and what went wrong in it."""

    def __init__(self, browser: Browser, width: int, scheme: Any = "light") -> None:
        self._context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.page: Page = self._context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        # What a policy forbids is told to the page, and not always to the console.
        self.page.add_init_script(
            "window.forbidden = []; addEventListener('securitypolicyviolation',"
            " (event) => forbidden.push(`${event.violatedDirective} ${event.blockedURI}`))"
        )

    def open(self, address: str) -> None:
        """Open a page, and wait until its charts are drawn."""
        self.page.goto(address, wait_until="networkidle")
        if self.page.locator(".chart").count():
            self.page.wait_for_selector("body[data-drawn=yes]", timeout=20_000)

    def problems(self) -> list[str]:
        """Errors, what the policy forbade, and what the accessibility checker found."""
        forbidden: list[str] = self.page.evaluate("forbidden")
        self.page.evaluate(AXE)
        found: list[str] = self.page.evaluate(
            "axe.run().then(({violations}) => violations.map("
            "({id, nodes}) => `${id}: ${nodes.map(({html}) => html).slice(0, 3).join(' ')}`))"
        )
        return [*self.wrong, *forbidden, *found]

    def close(self) -> None:
        """Close the window."""
        self._context.close()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, scheme = getattr(request, "param", (1280, "light"))
    visit = Visit(browser, width, scheme)
    yield visit
    visit.close()


@pytest.mark.parametrize(
    "visit",
    [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")],
    indirect=True,
    ids=lambda look: f"{look[1]} at {look[0]} px",
)
@pytest.mark.parametrize("place", range(len(VIEWS)), ids=[view.name for view in VIEWS])
def test_a_page_draws_without_an_error_and_for_everyone(site: Site, visit: Visit, place: int) -> None:
    visit.open(site.address + addresses(site)[place])
    assert visit.page.locator("h1").count() == 1
    assert visit.problems() == []
    # Nothing is cut off or has to be looked for to the right, but within a table.
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_moves_nothing_after_it_is_shown(site: Site, visit: Visit) -> None:
    """A chart that is drawn late pushed away what somebody was about to read."""
    for address in addresses(site):
        visit.open(site.address + address)
        moved = visit.page.evaluate(
            "new Promise((done) => { let sum = 0; new PerformanceObserver((list) =>"
            " { for (const entry of list.getEntries()) sum += entry.value; })"
            ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 300); })"
        )
        assert moved < 0.02, address


def test_a_week_is_chosen_sorted_drilled_and_exported_by_mouse(site: Site, visit: Visit) -> None:
    visit.open(site.address)
    page = visit.page
    latest = page.locator(".lead").text_content()
    page.get_by_role("link", name="Previous week").click()
    assert page.locator(".lead").text_content() != latest
    page.get_by_label("single").check()
    page.get_by_role("button", name="Show").click()
    assert "type=single" in page.url
    # What was left empty does not stand in the address.
    assert "genre" not in page.url
    page.get_by_role("columnheader", name="Highest").get_by_role("link").click()
    assert "sort=value_max" in page.url
    assert "type=single" in page.url
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = Path(str(download.value.path())).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + page.locator("tbody tr").count()
    assert visit.wrong == []


def test_the_keyboard_reaches_search_weeks_theme_link_and_help(site: Site, visit: Visit) -> None:
    visit.open(site.address)
    page = visit.page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("station")
    # Letters that are typed are no commands.
    assert page.evaluate("document.documentElement.dataset.theme") is None
    page.keyboard.press("Enter")
    page.wait_for_url("**q=station**")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("[")
    page.wait_for_url("**week=**")
    assert "q=station" in page.url
    # The choice outlasts the page.
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("c")
    page.wait_for_function("document.getElementById('said').textContent !== ''")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    assert visit.wrong == []


def test_the_first_tab_leads_past_the_navigation(site: Site, visit: Visit) -> None:
    visit.open(site.address)
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_tables_and_links_work_without_javascript(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.address)
    page.get_by_role("columnheader", name="Album").get_by_role("link").click()
    assert "sort=name" in page.url
    page.get_by_label("Search").fill("station")
    page.get_by_role("button", name="Show").click()
    assert page.locator("tbody tr").count() >= 1
    context.close()
