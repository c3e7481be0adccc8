"""A map's page in Chromium, as a file: no error, no request, walked by keyboard, at the widths of phone and desk."""

from pathlib import Path

import pytest

from phosphene.dataset.map_folder import write
from phosphene.dataset.maps import laid_out
from tests.dataset.test_maps import PCA

CHROMIUM = Path("/usr/bin/chromium")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as running:
        how = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]  # as root, in a container
        opened = running.chromium.launch(executable_path=str(CHROMIUM), args=how)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(small, tmp_path_factory):
    _, index = small
    return write(laid_out(index, "relu2", PCA), index, tmp_path_factory.mktemp("maps") / "map").as_uri()


@pytest.mark.parametrize("size", [(390, 844), (1440, 900)])
def test_it_opens_as_a_file_fits_its_window_and_is_walked_by_keyboard(browser, address, size):
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    page.goto(address)
    page.wait_for_function("[...tiles.values()].some(one => one.ready)")
    wide, high = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert (wide, high) == size
    page.focus("#stage")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "heading" and page.evaluate("marked") >= 0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "stage"
    column = "data.cells[marked] % data.columns"
    before = page.evaluate(column)
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(column) > before
    near = page.evaluate("views.grid.zoom")
    page.keyboard.press("+")
    assert page.evaluate("views.grid.zoom") > near
    page.keyboard.press("0")
    assert page.evaluate("views.grid.zoom") == pytest.approx(near)
    page.click("#scatter")
    assert page.get_attribute("#scatter", "aria-pressed") == "true" and page.is_visible("#legend")
    page.select_option("#class", label="zebra")
    assert page.evaluate("chosen") == 1
    assert faults == []
    context.close()
