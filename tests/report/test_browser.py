"""The page in headless Chromium, opened from disk: what moves, moves; nothing is sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.synthetic import make_records
from zoo.recipes.book import Book
from zoo.report.page import build_page, write_page
from zoo.report.selection import select

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
HOSTILE = {
    "rrdb": "<script>window.hit = 1</script>",
    "srgan": '" onmouseover="window.hit = 1" x="',
    "esrgan": "${window.hit = 1} \u202e\u200fright to left",
    "srresnet": "<img src=x onerror='window.hit = 1'>",
    "rrdb-bn": "very-long-" * 30,
}
CONTRASTS = """() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = (part) => {
    for (let at = part; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$|transparent/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const part of document.querySelectorAll("body *")) {
    const words = [...part.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!words || !part.checkVisibility() || part.closest(".unseen, script, .handle")) continue;
    const style = getComputedStyle(part);
    const ink = part.closest("svg") ? style.fill : style.color;
    const [light, dark] = [luminance(ink), luminance(paper(part))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push(`${part.tagName} ${part.className} ${ratio.toFixed(2)}`);
  }
  return [...new Set(low)];
}"""

GRAPHICS = """() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const least = {};
  for (const part of document.querySelectorAll(".claim .forest line, .claim .forest rect")) {
    const style = getComputedStyle(part);
    const ink = part.tagName === "rect" ? style.fill : style.stroke;
    const paper = getComputedStyle(part.closest(".claim")).backgroundColor;
    const [light, dark] = [luminance(ink), luminance(paper)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const name = part.getAttribute("class");
    least[name] = Math.min(ratio, least[name] ?? Infinity);
  }
  return least;
}"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: pip install -e '.[dev]'"
    )
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page opened from disk, with all it said and asked for."""

    def __init__(self, browser: Browser, file: Path, **options: Any) -> None:
        settings = {"viewport": DESKTOP, "reduced_motion": "reduce", **options}
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(8000)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())

    def check_silence(self) -> None:
        assert self.said == []
        assert self.requests[0].startswith("file:")
        assert all(url.startswith("data:") for url in self.requests[1:])


@pytest.fixture
def opened(browser: Browser, written: Path) -> Iterator[Opened]:
    """Open the page; at the end nothing was complained of and nothing was sent."""
    found = Opened(browser, written)
    yield found
    found.check_silence()
    found.context.close()


def cut_of(page: Page) -> str:
    return str(page.evaluate("document.querySelector('img.left').style.clipPath"))


def test_the_slider_follows_a_drag(opened: Opened) -> None:
    stage = opened.page.locator(".stage").first
    stage.scroll_into_view_if_needed()
    before = cut_of(opened.page)
    box = stage.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + box["width"] / 2, middle)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] / 4, middle, steps=5)
    opened.page.mouse.up()
    share = 100 - float(cut_of(opened.page).split()[1].rstrip("%"))
    assert cut_of(opened.page) != before
    assert share == pytest.approx(25, abs=3)
    handle = opened.page.locator(".handle").first.bounding_box()
    assert handle
    assert handle["x"] == pytest.approx(box["x"] + box["width"] / 4, abs=12)


def test_the_slider_follows_the_arrow_keys(opened: Opened) -> None:
    cut = opened.page.locator(".cut").first
    cut.focus()
    opened.page.keyboard.press("ArrowRight")
    assert cut_of(opened.page) == "inset(0px 49% 0px 0px)"
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("ArrowLeft")
    assert cut_of(opened.page) == "inset(0px 51% 0px 0px)"
    said = cut.get_attribute("aria-valuetext")
    assert said == "49 % bicubic, 51 % srresnet-nobn, seed 0"
    opened.page.keyboard.press("End")
    assert cut_of(opened.page).startswith("inset(0px 0%")


def test_sides_and_seed_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    shown = "document.querySelector('img.left').src"
    page.select_option("#left", label="srgan")
    first = page.evaluate(shown)
    assert page.locator(".left-name").first.inner_text() == "srgan, seed 0"
    page.select_option("#seed", "2")
    second = page.evaluate(shown)
    assert first != second
    assert page.locator(".left-name").first.inner_text() == "srgan, seed 2"
    captions = page.locator(".picture").first.locator(".seed-label:visible").all_inner_texts()
    assert set(captions) == {"seed 2"}
    expected = page.evaluate(
        "document.querySelector('li[data-name=srgan] figure[data-seed=\"2\"] img').src"
    )
    assert second == expected


def test_another_seed_than_the_chosen_one_is_said(
    browser: Browser, tmp_path: Path, book: Book
) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1)
    make_records(tmp_path, recipes=["srgan"], seeds=3)
    written = build_page(select(tmp_path), tmp_path, book=book)
    found = Opened(browser, write_page(written, tmp_path / "report"))
    page = found.page
    page.select_option("#left", label="rrdb")
    page.select_option("#right", label="srgan")
    page.select_option("#seed", "2")
    assert page.locator(".left-name").first.inner_text() == "rrdb, seed 0 (2: none kept)"
    assert page.locator(".right-name").first.inner_text() == "srgan, seed 2"
    page.select_option("#left", label="bicubic")
    assert page.locator(".left-name").first.inner_text() == "bicubic"
    found.check_silence()
    found.context.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pixels_are_enlarged_by_whole_numbers(size: Any, browser: Browser, written: Path) -> None:
    found = Opened(browser, written, viewport=size)
    found.page.evaluate("document.querySelectorAll('.fold').forEach((one) => { one.open = true; })")
    ratios = found.page.evaluate(
        """() => [...document.querySelectorAll('.picture img')]
          .filter((image) => image.checkVisibility() && image.naturalWidth)
          .map((image) => image.getBoundingClientRect().width / image.naturalWidth)"""
    )
    assert len(ratios) > 9
    assert {ratio % 1 for ratio in ratios} == {0}
    assert max(ratios) == (2 if size is PHONE else 3)
    found.context.close()


def column(page: Page, key: int) -> list[float]:
    return list(
        page.evaluate(
            """(key) => [...document.querySelectorAll('.dataset:not([hidden]) tr.row')]
               .filter((row) => row.parentElement.dataset.matrix === undefined)
               .map((row) => row.cells[key].dataset.value)
               .filter((value) => value !== undefined).map(Number)""",
            key,
        )
    )


@pytest.mark.parametrize(("key", "first"), [(1, "descending"), (2, "ascending")])
def test_sorting_is_numeric_in_both_directions_and_said(
    key: int, first: str, opened: Opened
) -> None:
    page = opened.page
    heading = page.locator(".dataset:visible thead tr.headings th").nth(key)
    assert heading.get_attribute("aria-sort") == "none"
    for order in (first, "ascending" if first == "descending" else "descending", first):
        heading.locator("button").click()
        values = column(page, key)
        assert len(values) > 9
        assert values == sorted(values, reverse=order == "descending")
        assert heading.get_attribute("aria-sort") == order
        assert page.locator("#announcer").inner_text().endswith(order)
    assert page.locator(".dataset:visible th[aria-sort=none]").count() > 5


def test_sorting_puts_empty_cells_last_and_names_in_order(opened: Opened) -> None:
    page = opened.page
    page.locator(".dataset:visible thead th button", has_text="Recipe").click()
    names = page.evaluate(
        """() => [...document.querySelectorAll('.dataset:not([hidden]) tbody')].map((body) =>
             [body.dataset.matrix ?? '', body.querySelector('bdi').textContent])"""
    )
    recipes = [name for matrix, name in names if not matrix]
    cells = [name for matrix, name in names if matrix]
    assert recipes == [*sorted(recipes[:-1]), "esrgan-over-srgan"]
    assert cells == sorted(cells)
    assert names[-len(cells) :] == [["esrgan-over-srgan", name] for name in cells]


def test_what_is_right_at_zero_is_sorted_by_its_distance_from_it(opened: Opened) -> None:
    headings = opened.page.locator(".dataset:visible thead tr.headings th")
    names = [" ".join(text.split()) for text in headings.all_inner_texts()]
    (key,) = [number for number, name in enumerate(names) if name.startswith("HF energy")]
    headings.nth(key).locator("button").click()
    sizes = [abs(value) for value in column(opened.page, key)]
    assert sizes == sorted(sizes)
    assert headings.nth(key).get_attribute("aria-sort") == "ascending"


def test_sorting_works_by_keyboard(opened: Opened) -> None:
    page = opened.page
    page.locator(".dataset:visible thead th button").nth(1).focus()
    page.keyboard.press("Enter")
    values = column(page, 1)
    assert values == sorted(values, reverse=True)


def test_cells_of_a_factorial_fold_out(opened: Opened) -> None:
    page = opened.page
    cells = page.locator(".dataset:visible tbody[data-matrix] > tr.row")
    assert cells.count() > 0
    assert cells.locator("visible=true").count() == 0
    page.locator(".dataset:visible button[data-matrix]").click()
    assert cells.locator("visible=true").count() == cells.count()


def test_a_claim_opens_to_its_card(opened: Opened) -> None:
    page = opened.page
    button = page.locator(".claims button.opens").first
    assert page.locator(".claims .card:visible").count() == 0
    button.click()
    assert page.locator(".claims .card:visible").count() == 1
    assert button.get_attribute("aria-expanded") == "true"


def test_all_claims_are_on_one_screen(browser: Browser, written: Path) -> None:
    found = Opened(browser, written, viewport={"width": 1440, "height": 900})
    box = found.page.locator("table.claims").bounding_box()
    assert box
    assert box["height"] < 900
    found.context.close()


def test_headings_stay_while_a_table_is_scrolled(opened: Opened) -> None:
    heading = opened.page.locator(".dataset:visible thead")
    scroller = opened.page.locator(".dataset:visible .scroller")
    opened.page.locator(".dataset:visible button[data-matrix]").click()
    scroller.evaluate("(part) => { part.scrollTop = 300; }")
    assert scroller.evaluate("(part) => part.scrollTop") > 100
    (top, place) = (scroller.bounding_box(), heading.bounding_box())
    assert top
    assert place
    assert place["y"] == pytest.approx(top["y"], abs=2)


def test_a_crop_is_put_under_all_sliders_and_these_move_together(opened: Opened) -> None:
    page = opened.page
    page.locator(".picture").first.get_by_role("button", name="astronaut by srgan, seed 0").click()
    assert set(page.locator(".right-name").all_inner_texts()) == {"srgan, seed 0"}
    assert page.locator("#right option:checked").inner_text() == "srgan"
    page.locator(".cut").first.focus()
    page.keyboard.press("ArrowRight")
    cuts = "[...document.querySelectorAll('img.left')].map((image) => image.style.clipPath)"
    assert set(page.evaluate(cuts)) == {"inset(0px 49% 0px 0px)"}


@pytest.mark.parametrize("width", [360, 1280])
def test_no_command_breaks_inside_an_option(width: int, browser: Browser, written: Path) -> None:
    found = Opened(browser, written, viewport={"width": width, "height": 800})
    broken = """() => [...document.querySelectorAll('.command:not([hidden]) span')]
      .filter((span) => span.checkVisibility() && /^--/.test(span.textContent))
      .filter((span) => span.getClientRects().length > 1 || span.offsetHeight > 30)
      .map((span) => span.textContent)"""
    assert found.page.locator(".command span").count() > 5
    assert found.page.evaluate(broken) == []
    found.context.close()


def test_paper_has_all_columns(browser: Browser, written: Path) -> None:
    found = Opened(browser, written, viewport={"width": 1040, "height": 700})
    found.page.emulate_media(media="print")
    widths = found.page.evaluate(
        "[...document.querySelectorAll('table.scores')].map((table) => table.offsetWidth)"
    )
    assert len(widths) == 3
    assert max(widths) <= 1040  # of A4 across, less its margins
    found.context.close()


def test_seeds_fold_out(opened: Opened) -> None:
    page = opened.page
    button = page.locator(".dataset:visible tr.row button.opens").first
    assert page.locator("tr.seed:visible").count() == 0
    button.click()
    assert page.locator("tr.seed:visible").count() == 3
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert page.locator("tr.seed:visible").count() == 0


def test_datasets_and_verdicts_can_be_chosen(opened: Opened) -> None:
    page = opened.page
    assert page.locator(".dataset:visible h3").inner_text().startswith("Mean of the suite")
    page.get_by_role("radio", name="samples-grey").check()
    assert page.locator(".dataset:visible h3").inner_text().startswith("samples-grey")
    everything = page.locator(".claim:visible").count()
    page.locator("input[name=verdict][value=supported]").check()
    supported = page.locator(".claim:visible").count()
    assert 0 < supported < everything
    assert page.locator(".claim.supported:visible").count() == supported


def test_a_command_is_copied_or_selected(opened: Opened) -> None:
    page = opened.page
    button = page.locator("button.copy:visible").nth(1)
    assert page.locator("button.copy:visible").count() == 2
    button.click()
    page.locator("#announcer", has_text="Command").wait_for(state="attached")
    assert button.inner_text().startswith(("Copied", "Selected"))
    text = page.evaluate("navigator.clipboard.readText().catch(() => String(getSelection()))")
    wanted = page.locator(".command:visible code").nth(1).inner_text()
    assert text == wanted or "Copied" in button.inner_text()


def test_tab_reaches_every_control_in_the_order_of_the_page(opened: Opened) -> None:
    page = opened.page
    wanted = page.evaluate(
        """() => {
          const kinds = 'a[href], button, select, summary, input, [tabindex="0"]';
          return [...document.querySelectorAll(kinds)].filter((part) => {
            if (!part.checkVisibility() || part.disabled) return false;
            if (part.type !== 'radio') return true;
            return part.checked;
          }).map((part, place) => { part.dataset.place = place; return place; });
        }"""
    )
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                  const at = document.activeElement;
                  const box = at.getBoundingClientRect();
                  const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
                  return seen ? Number(at.dataset.place) : -1;
                }"""
            )
        )
    assert reached == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fits_and_can_be_read(
    scheme: Any, size: Any, browser: Browser, written: Path, tmp_path: Path
) -> None:
    found = Opened(browser, written, viewport=size, color_scheme=scheme)
    page = found.page
    width = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    assert page.evaluate(CONTRASTS) == []
    picture = page.screenshot(path=tmp_path / "page.png")
    assert len(picture) > 10_000
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(paper.split("(")[1].split(",")[0]) > 127) == (scheme == "light")
    found.check_silence()
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_effects_too_small_to_matter_can_be_seen(
    scheme: Any, browser: Browser, written: Path
) -> None:
    found = Opened(browser, written, color_scheme=scheme)
    lines = found.page.evaluate(GRAPHICS)
    assert set(lines) == {"band", "edge", "zero", "whisker", "end", "point"}
    assert min(lines[name] for name in set(lines) - {"band"}) >= 3
    assert lines["band"] >= 1.25
    found.context.close()


def test_a_phone_is_not_made_to_scroll_for_ever(browser: Browser, written: Path) -> None:
    found = Opened(browser, written, viewport=PHONE)
    page = found.page
    height = "document.documentElement.scrollHeight"
    assert page.evaluate(height) < 22_000
    assert page.locator(".exhibits:visible").count() == page.locator(".curves:visible").count() == 0
    page.locator(".picture .fold > summary").first.click()
    assert page.locator(".exhibits:visible").count() == 1
    page.locator("section[aria-labelledby=gallery] .back a").click()
    assert page.evaluate("location.hash") == "#sections"
    page.set_viewport_size(DESKTOP)
    page.wait_for_function("document.querySelectorAll('.fold:not([open])').length === 0")
    assert page.locator(".fold > summary:visible").count() == 0
    assert page.locator(".back:visible").count() == 0
    found.check_silence()
    found.context.close()


def test_it_can_be_read_without_scripts(browser: Browser, written: Path) -> None:
    found = Opened(browser, written, java_script_enabled=False)
    page = found.page
    assert page.locator(".dataset").count() == page.locator(".dataset:visible").count() == 3
    assert page.locator("tr.seed:visible").count() == page.locator("tr.seed").count()
    assert page.locator(".needs-script:visible").count() == 0
    assert page.locator(".exhibits img:visible").count() > 9
    assert page.locator(".fold:not([open])").count() == 0
    found.check_silence()
    found.context.close()


def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, seeds=2, rename=HOSTILE)
    page = build_page(select(tmp_path), tmp_path, book=book)
    found = Opened(browser, write_page(page, tmp_path / "report"), viewport=PHONE)
    opened = found.page
    opened.locator("button.sort:visible").first.click()
    opened.locator("tr.row bdi:visible", has_text="onmouseover").first.hover()
    for name in opened.locator("#left option").all_inner_texts():
        opened.select_option("#left", label=name)
    assert opened.evaluate("window.hit") is None
    assert opened.locator("main img:not([src^='data:'])").count() == 0
    widths = opened.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]
    names = opened.locator(".dataset:visible tr.row th.name bdi").all_inner_texts()
    assert HOSTILE["rrdb"] in names
    assert HOSTILE["srgan"] in names
    found.check_silence()
    found.context.close()


def test_the_policy_stops_what_is_put_in(browser: Browser, written: Path, tmp_path: Path) -> None:
    """The control: a script and a picture from elsewhere are refused, and that would be seen."""
    text = written.read_text(encoding="utf-8")
    added = "<script>window.hit = 1</script><img src='https://example.org/a.png' alt=''>"
    file = tmp_path / "changed.html"
    file.write_text(text.replace("</main>", f"{added}</main>"), encoding="utf-8")
    found = Opened(browser, file)
    assert found.page.evaluate("window.hit") is None
    assert sum("Content Security Policy" in message for message in found.said) == 2
    found.context.close()
