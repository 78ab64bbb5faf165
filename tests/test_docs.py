"""What the documentation says about the code is so."""

import ast
import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from bids_eeg2fmri import errors
from bids_eeg2fmri.arguments import make_parser
from bids_eeg2fmri.evaluate.metrics import MAPS, METRICS
from bids_eeg2fmri.evaluate.parcels import PARCEL_MEANS, PARCEL_SCORES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bids_eeg2fmri"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
EQUATIONS = range(1, 10)


def docstrings(path):
    tree = ast.parse(path.read_text())
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, owners)]


def homes_of_equations():
    homes = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for text in docstrings(path):
            for tag in re.findall(r"Eq\. ([()\d and,]+) of Calhas & Henriques 2022", text):
                for number in re.findall(r"\((\d+)\)", tag):
                    homes[int(number)].append(path.relative_to(PACKAGE).as_posix())
    return homes


def exit_codes():
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    return {kind.exit_code for kind in kinds if issubclass(kind, errors.AppError)}


@pytest.mark.parametrize("number", EQUATIONS)
def test_an_equation_of_the_paper_stands_in_one_docstring_that_the_map_points_to(number):
    (home,) = homes_of_equations()[number]
    page = (ROOT / "docs" / "paper.md").read_text()
    (row,) = re.findall(rf"^\| Eq\. [^:]*\({number}\).*$", page, re.MULTILINE)
    assert f"(../bids_eeg2fmri/{home})" in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("code", sorted({0, 17, *exit_codes()}))
def test_usage_explains_each_exit_code(code):
    assert f"\n| {code} | " in (ROOT / "docs" / "usage.md").read_text()


@pytest.mark.parametrize("metric", sorted({*METRICS, *MAPS, *PARCEL_SCORES, *PARCEL_MEANS}))
def test_outputs_explains_each_score(metric):
    assert f"`{metric}`" in (ROOT / "docs" / "outputs.md").read_text()


def test_the_architecture_page_names_every_room_and_every_file_where_stages_meet():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [f"`{path.parent.name}/`" for path in PACKAGE.glob("*/__init__.py")]
    files = [f"`{path.name}`" for path in (*PACKAGE.glob("*.py"), *PACKAGE.glob("app/*.py"))]
    named = [name for name in (*rooms, *files) if name != "`__init__.py`"]
    assert [name for name in named if name not in page] == []


def test_the_usage_page_names_every_option():
    page = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    options = [name for action in make_parser()._actions for name in action.option_strings]
    assert [name for name in options if f"`{name}" not in page] == []


@pytest.mark.parametrize("script", sorted((ROOT / "docs" / "hpc").iterdir()), ids=lambda p: p.name)
def test_scripts_for_clusters_are_quoted_as_they_are_and_call_the_app_as_it_is(script):
    text = script.read_text()
    assert f"\n{text}```\n" in (ROOT / "docs" / "hpc.md").read_text()
    if script.suffix == ".sbatch":
        subprocess.run(["bash", "-n", script], check=True)
        (call,) = re.findall(r"\$APP (.*)", text)
        make_parser().parse_args(shlex.split(call.replace('"$SLURM_CPUS_PER_TASK"', "2")))


def test_calls_of_the_page_on_clusters_are_calls_of_the_app():
    page = (ROOT / "docs" / "hpc.md").read_text()
    calls = re.findall(r"^bids-eeg2fmri (.*)$", page, re.MULTILINE)
    assert len(calls) == 2
    for call in calls:
        make_parser().parse_args(shlex.split(call))
