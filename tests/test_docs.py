"""What the documentation says about the code is so."""

import ast
import re
import runpy
import shlex
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import fences
import pytest
import try_commands

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
    page = (ROOT / "docs/explanation/paper.md").read_text()
    (row,) = re.findall(rf"^\| Eq\. [^:]*\({number}\).*$", page, re.MULTILINE)
    assert f"(../../bids_eeg2fmri/{home})" in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("metric", sorted({*METRICS, *MAPS, *PARCEL_SCORES, *PARCEL_MEANS}))
def test_outputs_explains_each_score(metric):
    assert f"`{metric}`" in (ROOT / "docs/reference/outputs.md").read_text()


def test_the_architecture_page_names_every_room_and_every_file_of_the_largest_ones():
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    rooms = [f"`{path.parent.name}/`" for path in PACKAGE.glob("*/__init__.py")]
    inside = [
        path for room in ("app", "preprocess", "evaluate") for path in PACKAGE.glob(f"{room}/*.py")
    ]
    files = [f"`{path.name}`" for path in (*PACKAGE.glob("*.py"), *inside)]
    named = [name for name in (*rooms, *files) if name != "`__init__.py`"]
    assert [name for name in named if name not in page] == []


@pytest.mark.parametrize(
    ("write", "page"), [("command_line", "cli.md"), ("exit_codes", "exit-codes.md")]
)
def test_the_reference_is_what_the_parsers_and_errors_say(write, page):
    script = runpy.run_path(str(ROOT / "docs/make_cli.py"))
    written = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert script[write]() == written, "run: make docs"


def test_the_reference_names_every_option():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    options = [name for action in make_parser()._actions for name in action.option_strings]
    assert [name for name in options if f"`{name}" not in page] == []


def test_the_reference_tells_of_every_exit_code():
    page = (ROOT / "docs/reference/exit-codes.md").read_text(encoding="utf-8")
    assert [code for code in sorted({0, 17, *exit_codes()}) if f"\n| {code} | " not in page] == []


@pytest.mark.parametrize("page", fences.PAGES, ids=lambda page: page.name)
def test_what_stands_in_fences_is_well_formed(page):
    assert [fault for block in fences.blocks(page) if (fault := fences.fault(block))] == []


@pytest.mark.parametrize("page", fences.PAGES, ids=lambda page: page.name)
def test_calls_of_the_app_within_sentences_are_understood(page):
    for call in fences.spans(page):
        fences.check_call(shlex.split(call))


@pytest.mark.parametrize(
    ("fence", "reason"),
    [
        ("```\nls\n```", "no language"),
        ("```bash\nif\n```", "syntax error"),
        ("```bash\npython run.py BIDS OUT participant --epoch 3\n```", "--epoch"),
        ("```bash\nOMP=1 bids-eeg2fmri BIDS OUT all\n```", "bids-eeg2fmri"),
        ("```bash\npython run.py BIDS OUT group --set train.epoch=3\n```", "train.epoch"),
        ("```bash\nmake tea\n```", "make tea: no such target"),
        ("```bash\npython benchmarks/nothing.py\n```", "no such script"),
        ('```bash title="needs luck"\nls\n```', "needs 'luck'"),
        ('```bash title="nowhere.sh"\nls\n```', "neither a need nor a file"),
        ('```bash title="needs docker"\ndocker run bids-eeg2fmri:1 A B group --tea\n```', "--tea"),
        ("```python\nx ==\n```", "invalid syntax"),
        ('```toml title="s.toml"\n[train]\nepoch = 1\n```', "epoch"),
    ],
)
def test_what_is_not_well_formed_is_told(fence, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(fences, "ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("demo:\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{fence}\n")
    (block,) = fences.blocks(page)
    assert reason in fences.fault(block)


@pytest.mark.parametrize(
    ("promised", "told"),
    [
        ("r 0.169 (p 0.007)\n…\nreport  …/out/a.html", []),
        ("r 0.2 (p 0.01)", []),
        ("r 0.169 (q 0.007)", ["r 0.169 (q 0.007)"]),
        ("report  …/out/a.html\nr 0.169 (p 0.007)", ["r 0.169 (p 0.007)"]),  # the other order
    ],
)
def test_lines_that_commands_do_not_print_are_told_but_numbers_may_differ(promised, told):
    block = fences.Block(ROOT / "page.md", 1, "text", "prints", promised)
    printed = "begin\nr  -0.131 (p 0.020)\nend\nreport /tmp/x/out/a.html\n"
    problems = try_commands.missing(block, printed)
    assert [problem.split(": was not printed here: ")[1] for problem in problems] == told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page):
    named = re.findall(r"`((?:benchmarks|docs|tests)/[\w./-]+)`", page.read_text())
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_addresses_are_well_formed(page):
    for address in re.findall(r"\]\((https?:[^)\s]+(?:\([^)\s]*\)[^)\s]*)*)\)", page.read_text()):
        parts = urlsplit(address)
        assert parts.scheme == "https", address
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), address
