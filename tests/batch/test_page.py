"""The page of a batch in a real browser: a thousand pictures, by mouse, by keyboard and on a phone."""

import csv

import pytest

from batch.report import write_page
from tools.comfyui_browser import CHROMIUM_ARGUMENTS, find_chromium

from .made_up_batch import made_up_batch

NASTY = '<img src=x onerror="document.title=1"></script><!-- & "quotes", 100 %'
PROMPTS = [NASTY, *(f"landscape {i}" for i in range(1, 1000))]
# The browser stores favourites with a delay.
COUNT = "count => document.getElementById('count').textContent === count"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "out"
    scores = [[float((i * 37) % 1000)] for i in range(len(PROMPTS))]
    results, settings = made_up_batch(folder, scores, prompts=PROMPTS)
    (folder / "failed" / f"{settings['jobs'][5][0]}.txt").write_text("why")
    write_page(results, settings)
    return folder


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("no Chromium was found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, folder):
    """Opens the page with storage of its own; asserts at the end that nothing broke and nothing left the folder."""
    contexts, errors, requests = [], [], []

    def opened(size=DESK):
        contexts.append(browser.new_context(viewport=size, accept_downloads=True))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto((folder / "index.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((folder.as_uri(), "data:", "blob:"))] == []


def visible_prompts(page):
    return page.locator("section:visible h2").all_inner_texts()


def test_a_thousand_pictures_load_as_they_are_looked_at(open_page):
    page = open_page()
    assert page.locator("article").count() == 1000
    assert "1000 pictures, 1000 of 1000 jobs, 1 set aside" in page.locator("#status").inner_text()
    page.wait_for_timeout(300)
    loaded = "() => [...document.images].filter(image => image.complete && image.naturalWidth > 0).length"
    assert 0 < page.evaluate(loaded) < 400
    page.locator("article").last.scroll_into_view_if_needed()
    last = page.locator("article img").last
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=last.element_handle())


def test_prompts_are_text(open_page):
    page = open_page()
    assert page.locator("section h2").first.inner_text().endswith(NASTY)
    assert page.title() == "demo"


def test_sort_filter_and_search(open_page):
    page = open_page()
    page.select_option("#sort", label="mix")
    assert visible_prompts(page)[0].endswith("landscape 27")  # 27 * 37 = 999
    page.select_option("#sort", label="order of the prompts")
    page.fill("#least", "998")
    assert [text.split()[-1] for text in visible_prompts(page)] == ["27", "54"]
    page.select_option("#reward", label="demo taste")
    assert visible_prompts(page) == [] and page.locator("#nothing").is_visible()
    page.fill("#least", "")
    page.fill("#search", "LANDSCAPE 99")
    assert len(visible_prompts(page)) == 19  # 99, 199, ... 899, and 990 to 999


def test_favourites_stay_and_are_exported(open_page, tmp_path):
    page = open_page()
    assert page.locator("#export").is_disabled()
    page.locator("article .heart").nth(0).click()
    page.locator("article .heart").nth(3).click()
    page.reload()
    page.wait_for_function(COUNT, arg="2")
    page.check("#only")
    assert len(visible_prompts(page)) == 2
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "favourites.csv")
    with open(tmp_path / "favourites.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt"] for row in rows] == [NASTY, "landscape 3"]
    assert rows[1]["mix"] == "111" and rows[1]["noise"].endswith("noise_1.safetensors")
    page.locator("article:visible .heart").first.click()
    assert len(visible_prompts(page)) == 1


def test_favourites_are_the_same_in_every_tab(open_page):
    page = open_page()
    other = page.context.new_page()
    other.goto(page.url)
    page.locator("article .heart").nth(0).click()
    other.wait_for_function(COUNT, arg="1")
    other.locator("article .heart").nth(3).click()
    page.wait_for_function(COUNT, arg="2")
    page.check("#only")
    other.locator("article .heart").nth(0).click()
    page.wait_for_function("() => document.querySelectorAll('section:not([hidden])').length === 1")
    assert [text.split()[-1] for text in visible_prompts(page)] == ["3"]


def test_by_keyboard_alone(open_page):
    page = open_page()
    page.keyboard.press("ArrowRight")  # onto the first picture
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    assert page.locator(".card.favourite").count() == 1
    page.keyboard.press("Enter")
    large = page.locator("#large")
    assert large.is_visible() and page.locator("#largePrompt").inner_text() == "landscape 1"
    page.keyboard.press("ArrowRight")
    assert page.locator("#largePrompt").inner_text() == "landscape 2"
    page.keyboard.press("F")
    assert page.locator(".card.favourite").count() == 2
    page.keyboard.press("Escape")
    assert not large.is_visible()
    focused = "() => document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused) == "open large: landscape 2, seed 0"
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "open large: landscape 5, seed 0"  # three in a row
    page.keyboard.press("ArrowUp")
    page.keyboard.press("/")
    page.keyboard.type("landscape 7f")
    assert page.locator(".card.favourite").count() == 2, "f in a word is a letter"


def test_large_beside_its_start(open_page):
    page = open_page()
    page.locator(".open").nth(4).click()
    start, best = (page.locator(f"#{name} img") for name in ("largeStart", "largeBest"))
    assert start.get_attribute("src").endswith("start_1.png") and best.get_attribute("src").endswith("best_1.png")
    assert start.bounding_box()["x"] < best.bounding_box()["x"]
    assert "seed\u00a00" in page.locator("#largeFacts").inner_text()
    page.click("#close")
    page.locator(".open").first.click()
    assert page.locator("#previous").is_disabled() and page.locator("#next").is_enabled()


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page):
    page = open_page(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
    page.locator(".open").nth(1).click()
    boxes = [page.locator(f"#{name}").bounding_box() for name in ("largeStart", "largeBest", "close")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] + 1, "one above the other"
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in boxes)
    assert boxes[2]["y"] + boxes[2]["height"] <= PHONE["height"]
    assert boxes[2]["height"] >= 44, "large enough for a thumb"


def test_what_was_set_aside_is_named(open_page, folder):
    page = open_page()
    page.locator("#failed summary").click()
    link = page.locator("#failed a").get_attribute("href")
    assert (folder / link).read_text() == "why"


def test_before_the_first_result(browser, tmp_path):
    write_page(*made_up_batch(tmp_path, [[1.0]], missing=[(0, 0)]), running=True)
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "index.html").as_uri())
    page.keyboard.press("ArrowRight")
    assert "0 pictures, 0 of 1 jobs, still running" in page.locator("#status").inner_text()
    assert page.locator("#nothing").inner_text() == "No picture is there yet." and errors == []
    page.close()
