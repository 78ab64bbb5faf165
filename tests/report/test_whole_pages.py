"""Pages with all that they can show: what is in them, and what a browser makes of them."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from urllib.parse import unquote

import pytest
from made_up import (
    CHANCES,
    QUALITY,
    STANDINGS,
    Page,
    furnish,
    make_explanation,
)

from bids_eeg2fmri.bids.write import write_bytes
from bids_eeg2fmri.report.group import Member, RunData, write_group_report
from bids_eeg2fmri.report.participant import write_participant_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDTHS = (1300, 420)
MEASURE = """<!doctype html><title></title><link rel="icon" href="data:,">{frames}<script>
onload = () => {{ document.title = [...document.querySelectorAll("iframe")].map(frame => {{
  const page = frame.contentDocument.documentElement;
  return page.scrollWidth - page.clientWidth;
}}).join(" "); }};
</script>"""


EXPLANATIONS = (
    replace(make_explanation("hybrid"), is_used=False),
    replace(make_explanation("topo"), is_believed=False, verdict="near-constant output"),
)


@pytest.fixture(scope="module")
def out(tmp_path_factory, participant, group):
    """Write both pages, their figures, and what they link to."""
    out = tmp_path_factory.mktemp("out")
    full = replace(
        participant,
        runs=tuple(replace(run, quality=QUALITY) for run in participant.runs),
        results=tuple(map(furnish, participant.results)),
        explanations={participant.results[0].name: EXPLANATIONS},
        problems=("sub-01_task-nap: EEG ends early.",),
    )
    write_participant_report(out / "sub-01.html", full, write_bytes, out / "sub-01" / "figures")
    write_bytes(out / "sub-01" / "func" / "r ü.nii.gz", b"")
    write_bytes(out / "sub-03.html", b"")
    everyone = replace(
        group,
        standings=STANDINGS,
        model_standings=STANDINGS,
        chances=CHANCES,
        members=(Member("sub-03", "informative", 0.12, (0.05, 0.2), 0.02, 0.01),),
        maps=replace(group.maps, template="MNI152NLin6Asym"),
        explanations=EXPLANATIONS,
        data=(RunData("sub-03_task-rest", 300, 287, "triggers:R128", 1e-3, 2.0, 0.1, 1),),
    )
    write_group_report(out / "group.html", everyone, write_bytes, out / "group" / "figures")
    return out


@pytest.fixture(scope="module", params=["sub-01.html", "group.html"])
def page(out, request):
    return Page((out / request.param).read_text(encoding="utf-8"))


def test_nothing_is_loaded_from_outside_the_file(page):
    assert all(address.startswith("data:") for address in page.loaded)
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import", page.html)
    assert "default-src 'none'; img-src data:" in page.html


def test_every_figure_says_in_words_what_it_shows(page):
    assert len(page.images) == page.tags.count("figure") == page.tags.count("figcaption") > 6
    assert all(len(str(image["alt"])) > 40 for image in page.images)


def test_every_link_leads_somewhere_and_no_name_is_given_twice(page, out):
    inside = {link[1:] for link in page.links if link.startswith("#")}
    files = [link for link in page.links if not re.match("#|https://", link)]
    assert inside <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert files
    assert [file for file in files if not (out / unquote(file)).exists()] == []


def test_figures_as_files_are_those_of_the_page(page, out):
    linked = [link for link in page.links if "/figures/" in link]
    assert len(linked) == len(page.images)
    assert len(set(linked)) == len(linked)


def test_headings_leave_out_no_level_and_tables_name_their_columns(page):
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(page.headings))
    assert page.tags.count("table") == page.tags.count("caption") > 1
    assert set(page.scopes) == {"row", "col"}


def test_keyboards_reach_what_scrolls_and_can_skip_the_contents(page):
    assert page.links[0] == "#main"
    boxes = re.findall(r'<div class="scroll"[^>]*>', page.html)
    assert all('tabindex="0"' in box and "aria-label" in box for box in boxes)


def test_a_page_is_small(page):
    assert len(page.html) < 5e6


def test_each_null_has_its_p_and_draws(page):
    assert re.search(r"topo-rff\s*0\.020\s*49 draws\s*0\.030\s*39 draws", page.text)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_complains_of_nothing_and_need_not_scroll_sideways(out, tmp_path, scheme):
    frames = "".join(
        f'<iframe src="{(out / name).as_uri()}" width="{width}" height="900"></iframe>'
        for name in ("sub-01.html", "group.html")
        for width in WIDTHS
    )
    wrapper = tmp_path / "frames.html"
    wrapper.write_text(MEASURE.format(frames=frames))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom",
               f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
               f"--user-data-dir={tmp_path / 'profile'}")  # fmt: skip
    call = [str(CHROMIUM), *options, wrapper.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120,
                          env={**os.environ, "HOME": str(tmp_path)})  # fmt: skip
    assert "<title>0 0 0 0</title>" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
