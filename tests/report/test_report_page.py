"""The report in a real browser: drawn, readable on a phone, silent, and never anybody's markup."""

import base64
import itertools
import json
from dataclasses import replace

import pytest
import synthetic_runs
from conftest import ARTIFACTS, stored
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from snakemake_executor_plugin_hutchbatch.costs.span import shown
from snakemake_executor_plugin_hutchbatch.record.schema import Attempt, Job, Note, Run
from snakemake_executor_plugin_hutchbatch.reporting import cost_of_run, job_list, page
from snakemake_executor_plugin_hutchbatch.reporting.statistics import Prices

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(2)>',
    "</script><script>alert(3)</script><!--<script>",
    "{{ 7*7 }}{% if x %}${alert(4)}<svg/onload=alert(5)>",
    "a' onmouseover='alert(6)' b=\"&lt;b&gt;\"\u202e\u2028",
    "__proto__",
)
#: Whether a canvas has pixels of a colour of the page.
PAINTED = """
const [id, name] = arguments;
const canvas = document.querySelector(`#${id} canvas`);
const probe = document.createElement("canvas").getContext("2d");
probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
probe.fillRect(0, 0, 1, 1);
const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
let found = 0;
for (let i = 0; i < data.length; i += 4) {
  found += Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12;
}
return found;
"""
#: Elements that stick out of the page, but for those that scroll by themselves.
CUT = """
return [...document.querySelectorAll("body *")].filter((each) =>
  !each.closest("[hidden], .chart, .g-rows, .unseen")
  && each.getBoundingClientRect().right > innerWidth + 1
).map((each) => each.outerHTML.slice(0, 200));
"""


def look(browser, path, width=1280, scheme="light"):
    """Opens the page and waits until all is drawn."""
    phone = width < 500
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1 + phone, "mobile": phone},
    )
    scheme = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(path.as_uri())
    WebDriverWait(browser, 120, 0.1).until(
        lambda b: b.execute_script("return document.documentElement.dataset.drawn")
    )


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser")]


def asked(browser):
    """The addresses that the page asked for."""
    found = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    requests = (m for m in found if m["method"] == "Network.requestWillBeSent")
    return {m["params"]["request"]["url"].partition("#")[0] for m in requests}


def painted(browser, chart, colour):
    return browser.execute_script(PAINTED, chart, colour) > 0


@pytest.fixture(scope="module")
def pages(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("pages")
    for jobs, record in runs.items():
        page.write_page(folder / f"{jobs}.html", record, Prices())
    return folder


#: Each scheme, width and number of jobs; the rest with --thorough.
SEEN = [("light", 390, 300)]
REST = set(itertools.product(("light", "dark"), (390, 800, 1600), (5, 300, 5000))) - set(SEEN)


@pytest.mark.parametrize(
    ("scheme", "width", "jobs"),
    [*SEEN, *(pytest.param(*each, marks=pytest.mark.thorough) for each in sorted(REST))],
)
def test_all_is_drawn_and_nothing_is_cut(browser, pages, scheme, width, jobs):
    page = pages / f"{jobs}.html"
    look(browser, page, width, scheme)
    browser.find_element(By.CSS_SELECTOR, "#table .opener").click()
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True}
    )
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    picture = ARTIFACTS / f"report-{jobs}-jobs-{width}px-{scheme}.png"
    picture.write_bytes(base64.b64decode(shot["data"]))
    assert complaints(browser) == []
    assert asked(browser) <= {page.as_uri(), "about:blank"}
    assert browser.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert browser.execute_script(CUT) == []
    for chart, colour in {
        "areas": "--running",
        "seconds": "--ink",
        "memory_share": "--bad",
        "cpu_share": "--ink",
        "use": "--r0",
    }.items():
        assert painted(browser, chart, colour), chart
    charts = browser.find_elements(By.CSS_SELECTOR, ".chart")
    assert [each.get_attribute("aria-label") for each in charts] == [
        "Jobs at a time",
        "Time, by rule",
        "Memory in percent of the request, by rule",
        "CPU in percent of the request, by rule",
        "vCPUs in use, by queue",
    ]
    names = browser.find_elements(By.CSS_SELECTOR, "#gantt button")
    assert all(each.size["width"] >= 100 for each in names)
    assert 6 <= len(names) < 60
    assert len(browser.find_elements(By.CSS_SELECTOR, "#gantt .bar")) >= len(names)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#gantt .g-tick")) >= 2
    assert (pages / f"{jobs}.html").stat().st_size < 3_500_000


def test_jobs_are_picked_sorted_and_opened(browser, pages, runs):
    look(browser, pages / "5000.html", 1600)
    shown = browser.find_element(By.ID, "shown")
    failed = [job for job in runs[5000].jobs if job.state == "failed"]
    whole = f"{len(runs[5000].jobs):,}"
    assert shown.text == f"{whole} jobs"
    wanted = f"{len(failed)} of {whole} jobs"

    def names(where="#table .opener"):
        return [each.text for each in browser.find_elements(By.CSS_SELECTOR, where)]

    # By the keyboard, and what is not known last; the lines follow the table.
    browser.execute_script(
        "[...document.querySelectorAll('button.sort')].find(b => b.textContent === 'Time').focus()"
    )
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    longest = max(
        runs[5000].attempts, key=lambda a: (a.exit_code is not None) * a.stopped - a.started
    )
    placed = {p.batch_id: p.number for p in runs[5000].placements}
    label = runs[5000].jobs[placed[longest.batch_id] - 1].label
    assert names()[0] == names("#gantt button")[0] == label
    head = browser.find_element(By.CSS_SELECTOR, "th[aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"
    Select(browser.find_element(By.ID, "show")).select_by_value("failed")
    WebDriverWait(browser, 60).until(lambda b: shown.text == wanted)
    browser.find_element(By.ID, "find").send_keys(failed[0].label)
    WebDriverWait(browser, 60).until(lambda b: shown.text == f"1 of {whole} jobs")
    # Pointed at, pressed in the list of lines, and found open in the table.
    bar = browser.find_element(By.CSS_SELECTOR, "#gantt .b-failed, #gantt .b-lost")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", bar)
    ActionChains(browser, 10).move_to_element(bar).perform()
    tip = browser.find_element(By.ID, "tip").text
    assert failed[0].label in tip
    assert "cpu-spot-" in tip
    browser.find_element(By.CSS_SELECTOR, "#gantt button").click()
    text = browser.find_element(By.CSS_SELECTOR, "tr.detail").text
    (sent,) = (p for p in runs[5000].placements if p.number == failed[0].number)
    for words in (
        failed[0].command.splitlines()[0],
        failed[0].log_end.splitlines()[1],
        failed[0].image,
        failed[0].outputs,
        failed[0].logs,
        f"tasks/{sent.submission}.json",
        f"hutchbatch logs {sent.batch_id}",
    ):
        assert words in text
    # From a rule to its jobs, and back.
    browser.execute_script("document.querySelector('#rules td a[data-rule=\"1\"]').click()")
    align = sum(job.rule == "align" for job in runs[5000].jobs)
    WebDriverWait(browser, 60).until(lambda b: shown.text == f"{align:,} of {whole} jobs")
    assert set(names()) == {name for name in names() if name.startswith("align ")}
    browser.find_element(By.CSS_SELECTOR, ".pager [aria-label='next page']").click()
    assert "26\N{EN DASH}50" in browser.find_element(By.CSS_SELECTOR, ".pager output").text
    browser.find_element(By.CSS_SELECTOR, "#table .opener").click()
    link = browser.find_element(By.CSS_SELECTOR, "tr.detail a")
    assert link.get_attribute("href").endswith("#rule-1")
    assert browser.find_element(By.ID, "rule-1").text.startswith("align")
    # A failure leads to its job, whatever is picked.
    browser.execute_script("document.querySelector('#failures a[data-job]').click()")
    assert shown.text == f"{whole} jobs"
    opened = browser.find_element(By.CSS_SELECTOR, "tr.open .opener").text
    summary = browser.find_element(By.CSS_SELECTOR, "#failures summary").text
    assert opened == summary
    assert complaints(browser) == []


def test_without_scripts_all_tables_are_there(browser, pages, runs):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((pages / "5000.html").as_uri())
        rows = browser.find_elements(By.CSS_SELECTOR, "#jobs noscript tbody tr")
        text = rows[0].text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert len(rows) == job_list.MOST_PLAIN
    first = next(job for job in runs[5000].jobs if job.state == "failed")
    assert text.startswith(first.label)
    assert first.cause in text


def test_colours_and_width_may_change_while_it_is_open(browser, pages):
    look(browser, pages / "5.html")
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [dark]})
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.documentElement.dataset.drawn") == "2"
    )
    assert painted(browser, "areas", "--running")
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True},
    )
    WebDriverWait(browser, 60).until(
        lambda b: b.find_element(By.CSS_SELECTOR, "#areas canvas").size["width"] < 390
    )
    assert complaints(browser) == []


def hostile_records():
    """A run of which every text is somebody's attack."""
    for i, record in enumerate(synthetic_runs.records(40)):
        text = HOSTILE[i % len(HOSTILE)]
        if isinstance(record, Run):
            yield replace(
                record,
                folder=f"/home/{HOSTILE[1]}",
                user=text,
                command=f"snakemake {text}",
                settings={text: text},
                versions={text: text},
            )
        elif isinstance(record, Job):
            yield replace(
                record,
                rule=text,
                label=f"{text} x={record.number}",
                image=text,
                environment=text,
                command="\n".join(HOSTILE),
                outputs=text,
                logs=text,
                state="failed",
                cause=text,
                sentence=text,
                log_end="\n".join(HOSTILE),
            )
        elif isinstance(record, Attempt):
            yield replace(record, instance_type=text, capacity=text, cause=text, reason=text)
        elif isinstance(record, Note):
            yield replace(record, text="".join(HOSTILE))
        else:
            yield record


def test_no_text_becomes_markup_or_leaves_the_page(browser, tmp_path):
    record = stored(tmp_path, *hostile_records())
    path = tmp_path / "a <b>page</b>.html"
    page.write_page(path, record, Prices(1.0, None))
    look(browser, path)
    body = browser.find_element(By.TAG_NAME, "body")
    for details in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", details)
    # One after another: each press draws the table again.
    for number in range(len(browser.find_elements(By.CSS_SELECTOR, "#table .opener"))):
        browser.execute_script(
            "document.querySelectorAll('#table .opener')[arguments[0]].click()", number
        )
    assert browser.find_elements(By.CSS_SELECTOR, "tr.detail")
    text = body.get_attribute("textContent")
    for attack in HOSTILE:
        assert attack.replace("\u202e\u2028", "??") in text or attack in text
    bar = browser.find_element(By.CSS_SELECTOR, "#gantt .bar")
    tip = browser.find_element(By.ID, "tip")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", bar)
    ActionChains(browser, 10).move_to_element(bar).perform()
    assert tip.is_displayed()
    assert tip.find_elements(By.CSS_SELECTOR, "*:not(b, dl, dt, dd)") == []
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    counts = {
        name: len(browser.find_elements(By.CSS_SELECTOR, name))
        for name in ("script", "img, svg, iframe, object, embed", "link, base", "[onerror]")
    }
    assert list(counts.values()) == [2, 0, 0, 0]
    assert asked(browser) <= {path.as_uri(), "about:blank"}
    assert complaints(browser) == []


def test_two_runs_are_side_by_side(browser, tmp_path, runs):
    """One of them with hostile texts in all places."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    other = stored(hostile, *hostile_records())
    path = tmp_path / "both.html"
    page.write_comparison(path, [(runs[300], False), (other, True)], Prices(1.0, None))
    look(browser, path, 390)
    assert browser.execute_script(CUT) == []
    assert painted(browser, "areas-0", "--running")
    assert painted(browser, "areas-1", "--failed")
    text = browser.find_element(By.TAG_NAME, "body").get_attribute("textContent")
    assert all(attack.replace("\u202e\u2028", "??") in text for attack in HOSTILE)
    browser.find_element(By.CSS_SELECTOR, "#table .opener").click()
    assert browser.find_elements(By.CSS_SELECTOR, "tr.detail .attempt")
    Select(browser.find_element(By.ID, "show")).select_by_value("only")
    shown = browser.find_element(By.ID, "shown").text
    names = {job.label for job in runs[300].jobs}, {job.label for job in other.jobs}
    assert shown.startswith(f"{len(set.union(*names))} ")  # they have no job in common
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert browser.find_elements(By.CSS_SELECTOR, "img, svg, iframe, object, embed, base") == []
    assert asked(browser) <= {path.as_uri(), "about:blank"}
    assert complaints(browser) == []


def test_the_policy_of_the_page_stops_what_would_come_in_all_the_same(browser, pages, tmp_path):
    source = (pages / "5.html").read_text()
    attack = "<script>document.title = 'mine'</script><img src='https://evil.example/x'>"
    path = tmp_path / "attacked.html"
    path.write_text(source.replace("<main>", f"<main>{attack}"))
    look(browser, path)
    assert browser.title != "mine"
    # The policy's refusal is reported in place of a request.
    assert sum("Content Security Policy" in each for each in complaints(browser)) == 2


def test_little_is_known_of_a_run(browser, tmp_path):
    """Nothing sent yet; jobs that wait; jobs whose containers reported nothing."""
    (run, *rest) = synthetic_runs.records(12, running=True)
    for name, records, wanted in (
        (
            "nothing",
            [],
            ["No job has been submitted", "No job failed", "Nothing is known about any rule"],
        ),
        ("going", rest, ["running", "open"]),
        ("silent", [_silent(r) for r in rest], ["Not known for any job.", "peak unknown"]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "page.html"
        page.write_page(path, stored(folder, run, *records), Prices())
        look(browser, path, 390)
        text = browser.find_element(By.TAG_NAME, "body").text
        assert [words for words in wanted if words not in text] == []
        assert complaints(browser) == []
        assert browser.execute_script(CUT) == []


def _silent(record):
    if isinstance(record, Attempt):
        return replace(record, seconds={}, peak_memory=None, cpu_seconds=None, instance_type=None)
    return record


def test_costs_are_by_awss_prices_where_the_user_gives_none(browser, runs, tmp_path):
    path = tmp_path / "costs.html"
    page.write_page(path, runs[5], Prices())
    look(browser, path)
    record = runs[5]
    found = cost_of_run.of(record)
    tiles = browser.find_element(By.CLASS_NAME, "tiles").text.splitlines()
    assert tiles[tiles.index("cost") + 1] == shown(found.total.cost).replace("about ", "")
    jobs = browser.find_elements(By.CSS_SELECTOR, "#table tbody td[data-name=Cost]")
    most = [float(cell.text.replace(",", "").rpartition("$")[2]) for cell in jobs]
    assert sum(most) == pytest.approx(found.total.cost.high, abs=0.005 * len(most))
    by_rule = browser.find_elements(By.CSS_SELECTOR, "#rules tbody td[data-name=Cost]")
    assert len(by_rule) == len(found.rules)
    assert all("$" in cell.text for cell in by_rule)
    assert "AWS's spot prices during the run" in browser.find_element(By.ID, "rules").text


def test_a_run_that_was_not_on_aws_shows_no_costs(runs):
    record = replace(runs[5], run=replace(runs[5].run, endpoint="http://127.0.0.1:4321"))
    assert "<span>cost</span>" in page.page(runs[5], Prices())
    assert "<span>cost</span>" not in page.page(record, Prices())


def test_costs_are_those_of_the_users_prices(browser, runs, tmp_path):
    path = tmp_path / "costs.html"
    page.write_page(path, runs[5], Prices(vcpu_hour=2.0, gib_hour=0.5))
    look(browser, path)
    tiles = browser.find_element(By.CLASS_NAME, "tiles").text.splitlines()
    hours = float(tiles[tiles.index("vCPU-hours") + 1])
    memory = float(tiles[tiles.index("vCPU-hours") + 2].split()[0])
    cost = float(tiles[tiles.index("cost at your prices") + 1])
    assert cost == pytest.approx(2.0 * hours + 0.5 * memory, rel=0.02)
    costs = browser.find_elements(By.CSS_SELECTOR, "#rules tbody td:last-child")
    jobs = browser.find_elements(By.CSS_SELECTOR, "#table tbody td[data-name=Cost]")
    assert sum(float(cell.text) for cell in jobs) == pytest.approx(cost, rel=0.02)
    assert sum(float(cell.text) for cell in costs) == pytest.approx(cost, abs=0.05)
