"""The page as a person uses it, in headless Chromium: from a file, offline, by mouse and by keyboard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_helpers import SPECS, make_run

from colt_llvm.cli.main import run
from colt_llvm.models.base import ModelSpec
from colt_llvm.program.program import Program, Workload
from colt_llvm.report.page import write_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")

#: What a program, a file name or a model might say to run something in whoever reads the report.
HOSTILE = (
    "</script><script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=1>"
    "<svg onload=window.hacked=1>javascript:window.hacked=1 \u202etxt.exe \0 end<!--"
)
SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\0", "\\u0000")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--force-prefers-reduced-motion",
        "--window-size=1400,1000",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def show(browser: Any, page: Path) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(page.as_uri())


def assert_quiet_and_offline(browser: Any) -> None:
    """No word on the console, which also tells of each breach of the policy; and no request but for the file."""
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("file:")] == []
    assert len(asked) == 1


def selected(browser: Any) -> int:
    return int(browser.execute_script("return document.getElementById('tree-canvas').dataset.selected"))


def panel(browser: Any) -> str:
    text: str = browser.execute_script("return document.getElementById('panel').innerText")
    return text


def click_node(browser: Any, node: int) -> None:
    """By the mouse, at the node's place on the canvas."""
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = browser.find_element("id", "tree-canvas")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas)
    x, y = browser.execute_script(
        "const v = coltReport; return [v.sx(arguments[0]) - v.width / 2, v.sy(arguments[0]) - v.height / 2]", node
    )
    ActionChains(browser).move_to_element_with_offset(canvas, round(x), round(y)).click().perform()


def press(browser: Any, *keys: str) -> None:
    browser.find_element("id", "tree-canvas").send_keys(*keys)


def test_a_real_run_can_be_read_clicked_and_walked(
    browser: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    size = ("--objective", "size", "--seed", "1", "--workers", "1", "--trials", "15")
    assert run(["tune", "sha256", *size, "--run-dir", str(folder), "--json"]) == 0
    capfd.readouterr()
    assert run(["report", str(folder), "-o", str(tmp_path / "page.html")]) == 0
    assert "page.html" in capfd.readouterr().out
    show(browser, tmp_path / "page.html")

    assert "than with clang -Oz" in browser.find_element("class name", "verdict").text
    assert "4,2" in browser.find_element("tag name", "table").text  # bytes of the baseline
    recipe = json.loads((folder / "recipe.json").read_text())
    passes = [cell.text for cell in browser.find_elements("css selector", "#passes tbody code")]
    assert passes == recipe["sequence"]
    browser.execute_script("coltReport.use('levels')")
    click_node(browser, 3)
    assert selected(browser) == 3
    assert "Proposed by\nembedded/" in panel(browser)
    assert "Visits" in panel(browser)

    before = browser.execute_script("return coltReport.scale")
    press(browser, "+", "+")
    assert browser.execute_script("return coltReport.scale") > before
    press(browser, "-", "-", "-")
    assert browser.execute_script("return coltReport.scale") < before
    press(browser, "0")
    assert browser.execute_script("return coltReport.scale") == before
    press(browser, "\ue014")  # right
    assert browser.execute_script("return coltReport.left") > 0
    press(browser, "n")
    assert selected(browser) == 4
    press(browser, "b")
    assert "the winner" in panel(browser)

    browser.find_element("id", "filter").send_keys("#7")
    assert browser.find_element("id", "matches").text == "1 of 16 match"
    browser.execute_script("document.getElementById('trials').open = true")
    browser.find_element("css selector", "#trial-rows button").click()
    assert panel(browser).startswith("Trial 7\n")
    assert_quiet_and_offline(browser)


def test_the_keyboard_walks_the_tree_and_finds_miscompiles(browser: Any, tmp_path: Path) -> None:
    search = make_run(tmp_path, trials=240)
    show(browser, write_report(tmp_path))
    nodes = search.tree.nodes
    wrong = [node.id for node in nodes if node.failure == "miscompile"]
    assert len(wrong) >= 2

    browser.execute_script("coltReport.selected = 0")
    press(browser, "m")
    assert selected(browser) == wrong[0]
    assert "miscompile" in panel(browser)
    press(browser, "m")
    assert selected(browser) == wrong[1]
    browser.find_element("id", "previous-miscompile").click()
    assert selected(browser) == wrong[0]
    shift = "\ue008"
    press(browser, shift, "\ue012")  # left: to the parent
    assert selected(browser) == nodes[wrong[0]].parent
    press(browser, shift, "\ue014")  # right: to the first child
    first = next(node.id for node in nodes if node.parent == nodes[wrong[0]].parent)
    assert selected(browser) == first
    visits = f"Visits\n{nodes[first].visits}\n"
    assert visits in panel(browser)

    legend = browser.find_elements("css selector", "#legend button")
    next(button for button in legend if "regression" in button.text).click()
    regressions = int(browser.find_element("id", "matches").text.split()[0])
    assert 0 < regressions < 241
    browser.find_element("id", "filter").send_keys(" gvn")
    assert 0 < int(browser.find_element("id", "matches").text.split()[0]) < regressions
    assert_quiet_and_offline(browser)


def test_five_thousand_nodes_open_move_and_are_clicked(browser: Any, tmp_path: Path) -> None:
    make_run(tmp_path, trials=5000)
    page = write_report(tmp_path)
    assert page.stat().st_size < 1_000_000
    show(browser, page)
    browser.set_script_timeout(60)
    frames = browser.execute_async_script(
        """const done = arguments[0], view = coltReport;
        let asked = 0, quiet = 0, before = 0;
        function settle() {  // what opening the page asked for is drawn first
          quiet = view.waiting || view.frames !== before ? 0 : quiet + 1;
          before = view.frames;
          requestAnimationFrame(quiet < 10 ? settle : step);
        }
        function step() {
          view.pan(3, 1);
          asked += 1;
          if (asked < 30) requestAnimationFrame(step);
          else requestAnimationFrame(() => requestAnimationFrame(() => done(view.frames - before)));
        }
        settle();"""
    )
    assert frames == 30  # each move is one frame, whatever number of nodes there is
    assert int(browser.execute_script("return document.getElementById('tree-canvas').dataset.drawn")) > 3000
    browser.execute_script("coltReport.fit(); coltReport.zoom(8)")
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    drawn = int(browser.execute_script("return document.getElementById('tree-canvas').dataset.drawn"))
    assert 0 < drawn < 3000  # only what is visible
    browser.execute_script("coltReport.zoom(100); coltReport.center(2500)")
    click_node(browser, 2500)
    assert selected(browser) == 2500
    assert_quiet_and_offline(browser)


def test_hostile_text_is_shown_and_never_run(browser: Any, tmp_path: Path) -> None:
    name = HOSTILE.replace("\0", "")
    sources = (tmp_path / name.replace("/", "_"),)
    program = Program(name, sources, ("-DX=" + HOSTILE,), (), (Workload("default", ("{exe}", HOSTILE)),))
    model = "</script><img/src=x/onerror=window.hacked=1>"
    specs = (ModelSpec(model, "embedded", 1e6), *SPECS[1:])
    make_run(
        tmp_path / "run", trials=60, specs=specs, program=program, answer=HOSTILE, detail=HOSTILE,
        notes=[HOSTILE], rejected={HOSTILE: HOSTILE},
    )  # fmt: skip
    page = write_report(tmp_path / "run")
    show(browser, page)
    for _ in range(60):
        press(browser, "n")  # each panel is filled once
    browser.execute_script("document.getElementById('trials').open = true")
    assert SHOWN in browser.execute_script("return [...document.querySelectorAll('#notes li')].at(0).textContent")
    assert SHOWN in browser.execute_script("return document.querySelector('#panel pre').textContent")
    assert SHOWN.replace("\\u0000", "") in browser.execute_script("return document.querySelector('h1').textContent")
    assert browser.execute_script("return window.hacked === undefined")
    assert (
        browser.execute_script("return document.querySelectorAll('img, iframe, object, a[href^=javascript]').length")
        == 0
    )
    assert browser.execute_script("return document.scripts.length") == 2
    assert_quiet_and_offline(browser)


def test_a_run_without_a_tree_shows_its_trials_as_points(browser: Any, tmp_path: Path) -> None:
    make_run(tmp_path, trials=40, options={"strategy": "random"}, specs=())
    show(browser, write_report(tmp_path))
    assert browser.find_element("id", "tree-title").text == "The trials"
    assert browser.execute_script("return document.getElementById('tree-canvas').dataset.layout") == "trials"
    click_node(browser, 5)
    assert selected(browser) == 5
    assert "Visits" not in panel(browser)
    assert_quiet_and_offline(browser)


def test_the_page_fits_a_narrow_screen(browser: Any, tmp_path: Path) -> None:
    make_run(tmp_path, trials=30, result=False)  # its ledger is a wide table
    show(browser, write_report(tmp_path))
    narrow = {"width": 500, "height": 900, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 500
        assert_quiet_and_offline(browser)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
