"""The HTML report in a real browser: what its reader can do, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reports.boards import HOSTILE, board_of, column, fixed_board, hostile_board, row

from restorebench_reports.html import render

from .conftest import Open, Page


def methods(page: Page) -> list[str]:
    """Return the titles of the rows that are shown, from above to below."""
    titles: list[str] = page.locator("#board tbody tr:visible th").evaluate_all(
        "heads => heads.map(head => head.firstChild.textContent)"
    )
    return titles


def heads(page: Page) -> list[str]:
    texts: list[str] = page.locator("#board .groups th:visible").evaluate_all(
        "heads => heads.map(head => head.firstChild.textContent)"
    )
    return texts


def fixed(folder: Path) -> Path:
    return render(fixed_board(), folder, "plain")


def test_a_click_sorts_best_first_another_turns_it(open_page: Open, tmp_path: Path) -> None:
    page = open_page(fixed(tmp_path))
    unsorted = methods(page)
    ssim = page.locator("#board .metrics th").nth(1)
    ssim.get_by_role("button").click()
    assert methods(page)[0] == "First"
    assert ssim.get_attribute("aria-sort") == "descending"
    ssim.get_by_role("button").click()
    assert methods(page)[0] == "Broken"
    assert methods(page)[-1] == "Absent", "a dash is neither best nor worst"
    assert page.locator("#board [aria-sort]").count() == 1
    page.get_by_role("button", name="Reset").click()
    assert methods(page) == unsorted


def test_the_keyboard_alone_sorts_hides_and_closes(open_page: Open, tmp_path: Path) -> None:
    page = open_page(fixed(tmp_path))
    page.locator("#board .metrics button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#board .metrics th").first.get_attribute("aria-sort") == "descending"
    page.locator("#columns summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heads(page) == ["Method", "Rain", "Noise σ=25", "Blur", "Dark", "Average"]
    page.keyboard.press("Escape")
    assert page.locator("#columns").get_attribute("open") is None
    assert page.evaluate("document.activeElement.parentElement.id") == "columns"


def test_methods_columns_and_metrics_can_be_hidden(open_page: Open, tmp_path: Path) -> None:
    page = open_page(fixed(tmp_path))
    page.get_by_label("Filter methods by name").fill("SECOND")
    assert methods(page) == ["Second (second)", "Second (twin)"]
    page.get_by_label("Filter methods by name").fill("")
    page.locator("#methods summary").click()
    page.locator("#methods").get_by_label("Third_3").uncheck()
    assert "Third_3" not in methods(page)
    assert page.locator("#methods summary").inner_text() == "Methods 5 of 6"
    page.get_by_label("Metric").select_option("ssim")
    shown = page.locator("#board .metrics th:visible")
    assert set(shown.all_inner_texts()) == {"SSIM"}
    cells = page.locator("#board tbody tr").first.locator("td:visible")
    assert cells.count() == shown.count() == 6
    assert page.locator("#board .groups th:visible").nth(1).get_attribute("colspan") == "1"


def test_the_address_holds_what_is_shown(open_page: Open, tmp_path: Path) -> None:
    path = fixed(tmp_path)
    page = open_page(path)
    page.locator("#board .metrics button").nth(2).click()
    page.locator("#columns summary").click()
    page.locator("#columns").get_by_label("Haze").uncheck()
    page.locator("#methods summary").click()
    page.locator("#methods").get_by_label("Broken").uncheck()
    again = open_page(path, page.evaluate("location.hash"))
    assert methods(again) == methods(page)
    assert heads(again) == heads(page)
    assert again.locator("#board [aria-sort]").inner_text() == "PSNR (dB)"
    before = again.evaluate("location.hash")
    again.locator("#board sup a").first.click()  # a footnote
    assert again.evaluate("location.hash") == before
    assert again.locator(".notes .target").count() == 1
    again.evaluate("location.hash = 'find=third'")
    again.locator("#board tr[data-method=first][hidden]").wait_for(state="attached")
    assert methods(again) == ["Third_3"]


def test_what_is_copied_is_what_is_shown(open_page: Open, tmp_path: Path) -> None:
    choices = "#without=third&hide=haze&metric=psnr&sort=rain&sort=psnr&sort=up"
    page = open_page(fixed(tmp_path), choices)
    read = "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy as LaTeX").click()
    page.get_by_text("Copied as LaTeX").wait_for()
    latex = page.evaluate(read)
    lines = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert all(line.count("&") in (0, 5) or "multicolumn" in line for line in lines)
    assert "Third" not in latex
    assert "Haze" not in latex
    assert "airnet@1" in latex
    assert "Marks are those of the whole board of 6 methods." in latex
    assert latex.index("Second (second)") < latex.index("First &")
    assert r"\bfseries 31.00" in latex
    page.get_by_role("button", name="Copy as CSV").click()
    page.get_by_text("Copied as CSV").wait_for()
    head, *rows = page.evaluate(read).splitlines()
    assert head.startswith("method,task,metric,value,images")
    assert len(rows) == 5 * 5
    assert all(",psnr," in line and "airnet@1" in line for line in rows)
    assert not [line for line in rows if line.startswith("third") or ",haze," in line]


def shares(page: Page) -> str:
    share: str = page.locator("#viewer").evaluate("v => v.style.getPropertyValue('--split')")
    return share


def test_the_slider_moves_by_keys_and_by_mouse(open_page: Open, scored: Path) -> None:
    page = open_page(scored)
    slider = page.get_by_label("How much of A is shown, from the left")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert shares(page) == "51%"
    page.keyboard.press("Home")
    assert shares(page) == "0%"
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + 60)
    page.mouse.up()
    assert abs(float(shares(page).rstrip("%")) - 75) < 1
    assert abs(float(slider.input_value()) - 75) <= 1


def test_all_pictures_show_the_same_place(open_page: Open, scored: Path) -> None:
    page = open_page(scored)
    transforms = (
        "all => [...new Set(all.map(one => getComputedStyle(one).transform.split(',')[0]))]"
    )
    pictures = page.locator("#viewer .pane img:visible, #viewer .pane canvas:visible")
    pane = page.locator("#viewer .panes .pane").first
    pane.focus()
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert pictures.count() == 8
    assert pictures.evaluate_all(transforms) == ["matrix(2.25"]
    assert page.locator("#zoom").inner_text() == "2.3×"
    assert float(page.locator("#viewer").evaluate("v => v.style.getPropertyValue('--x')")) > 0.3
    page.keyboard.press("0")
    assert pictures.evaluate_all(transforms) == ["matrix(1"]


def test_an_error_map_is_black_where_there_is_no_error(open_page: Open, scored: Path) -> None:
    page = open_page(scored)
    page.locator("#a").select_option("Target")
    page.locator("#b").select_option("Darker")
    page.get_by_text("Error of Darker, 0 to").wait_for()
    brightest = """canvas => Math.max(...canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 < 3))"""
    assert page.locator("[data-error=a]").evaluate(brightest) == 4
    assert page.locator("[data-error=b]").evaluate(brightest) > 200
    again = open_page(scored, page.evaluate("location.hash"))
    assert again.locator("#a").input_value() == "Target"


def test_images_follow_one_another_and_can_be_chosen(open_page: Open, scored: Path) -> None:
    page = open_page(scored)
    first = page.locator("#case").input_value()
    page.get_by_role("button", name="Next image").click()
    second = page.locator("#case").input_value()
    assert second != first
    page.get_by_role("button", name="Previous image").click()
    assert page.locator("#case").input_value() == first
    page.locator(".task summary").first.click()
    page.locator(".task").first.get_by_role("button", name="2", exact=True).click()
    assert page.locator("#case").input_value() == "rain/2"
    assert page.locator("#under").evaluate("image => image.naturalWidth") == 64


def test_ten_thousand_images_are_never_all_in_the_page(open_page: Open, tmp_path: Path) -> None:
    images = [(20 + i % 977 / 100, 0.5 + i / 40_000) for i in range(10_000)]
    board = board_of(
        [column("many", count=10_000)], [row("a"), row("b")], {(m, "many"): images for m in "ab"}
    )
    page = open_page(render(board, tmp_path, "plain"))
    page.locator(".task summary").click()
    region, rows = page.locator(".images"), page.locator(".images tbody tr")
    first, last = ".images tbody tr:nth-child(2) th", ".images tbody tr:nth-last-child(2) th"
    page.locator(first).wait_for()
    assert 10 < rows.count() < 150
    assert page.locator(first).inner_text() == "0.png"
    height = region.evaluate("region => region.scrollHeight")
    region.evaluate("region => { region.scrollTop = region.scrollHeight; }")
    page.locator(last).filter(has_text="9999.png").wait_for()
    assert rows.count() < 150
    assert abs(region.evaluate("region => region.scrollHeight") - height) < 1e-3 * height
    page.locator(".images thead button").first.click()  # worst first
    assert page.locator(first).inner_text() == "0.png"
    assert page.locator(".images tbody tr:nth-child(3) th").inner_text() == "977.png"
    page.get_by_label("Filter the images of Many by name").fill("999")
    assert page.get_by_text("19 of 10000 images").is_visible()
    assert rows.count() == 19 + 2
    assert page.locator(first).inner_text() == "999.png"


def test_hostile_names_and_addresses_are_inert(open_page: Open, tmp_path: Path) -> None:
    path = render(hostile_board(), tmp_path, "plain")
    hash_ = (
        "#find=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&without=%22%5D&case=..%2F&sort=constructor"
    )
    for choices in ("", hash_):
        page = open_page(path, choices)
        assert page.title().endswith("· restorebench")
        assert page.locator("script").count() == 2
        page.get_by_role("button", name="Copy as LaTeX").click()
        page.get_by_text("Copied as LaTeX").wait_for()
    assert methods(page) == []
    page.get_by_role("button", name="Reset").click()
    assert len(methods(page)) == len(HOSTILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_reads_without_scripts(open_page: Open, scored: Path, scheme: str) -> None:
    page = open_page(scored, java_script_enabled=False, color_scheme=scheme)
    assert page.locator("#board td").first.is_visible()
    assert page.get_by_role("button").count() == 0
    assert page.locator("#viewer, #tools").first.is_hidden()
    shots = page.locator(".case img")
    assert shots.count() == 2 * 3 * 4
    assert shots.first.is_visible()
    assert page.locator(".task tbody tr").count() == 6


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_wider_than_the_window_and_all_controls_have_names(
    open_page: Open, scored: Path, width: int
) -> None:
    page = open_page(scored)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = """all => all.filter(one => !(one.ariaLabel || one.labels?.length
        || one.textContent.trim())).map(one => one.outerHTML)"""
    assert page.locator("button, input, select, summary").evaluate_all(nameless) == []
