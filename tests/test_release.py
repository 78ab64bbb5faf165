"""What a release says of itself is the same wherever it says it."""

import json
import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
VERSION = (ROOT / "version").read_text().strip()
NAMING = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "platforms/**/*.json", "platforms/**/*.yaml")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGES.md"
)
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture
def citation():
    return yaml.safe_load(read("CITATION.cff"))


@pytest.fixture
def zenodo():
    return json.loads(read(".zenodo.json"))


@pytest.fixture
def codemeta():
    return json.loads(read("codemeta.json"))


def releases():
    """Number and state of each release in the list of changes, the newest first."""
    return re.findall(r"^## (\S+) \((.+)\)$", read("CHANGES.md"), re.MULTILINE)


def test_all_files_name_the_same_version(citation, zenodo, codemeta):
    number, _ = releases()[0]
    assert {VERSION, citation["version"], zenodo["version"], codemeta["version"]} == {number}


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_names_an_image_or_a_tool_names_this_version(path):
    text = path.read_text(encoding="utf-8")
    tags = re.findall(r"bids[-_]eeg2fmri[:_-](\d+[.-]\d+[.-]\d+)", text)
    fields = re.findall(r'"(?:tool-)?version": "([^"]+)"', text, re.IGNORECASE)
    assert {*(tag.replace("-", ".") for tag in tags), *fields} <= {VERSION}


def test_a_release_has_a_day_and_what_is_not_released_has_none(citation):
    _, state = releases()[0]
    if state == "not released":
        assert "date-released" not in citation
    else:
        assert citation["date-released"] == date.fromisoformat(state)
    assert all(date.fromisoformat(day) for _, day in releases()[1:])


def test_every_release_says_what_changes_results():
    sections = re.split(r"^## .*$", read("CHANGES.md"), flags=re.MULTILINE)[1:]
    assert len(sections) == len(releases())
    assert [text for text in sections if "\n### Changes to results\n" not in text] == []


def test_all_files_say_the_same_of_the_project(citation, zenodo, codemeta):
    project = tomllib.loads(read("pyproject.toml"))["project"]
    (author,) = project["authors"]
    assert project["license"] == citation["license"] == zenodo["license"]
    assert codemeta["license"].endswith(f"/{project['license']}")
    assert citation["authors"] == zenodo["creators"] == [author]
    assert [one["name"] for one in codemeta["author"]] == [author["name"]]
    words = project["keywords"]
    assert citation["keywords"] == zenodo["keywords"] == codemeta["keywords"] == words
    assert citation["title"] == zenodo["title"]
    assert codemeta["name"] == project["name"] == zenodo["title"].partition(":")[0]


def locked(name):
    """Packages of a lock file and of those that it builds on, each as often as it is named."""
    lines = read(name).splitlines()
    own = [line.partition("==")[0].lower() for line in lines if "==" in line]
    below = [line.split()[1] for line in lines if line.startswith("--requirement")]
    return own + [package for other in below for package in locked(other)]


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_no_package_is_locked_twice(name):
    packages = locked(name)
    assert sorted(packages) == sorted({*packages})
    assert len(packages) > 50


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    kinds = {"markdown", "input", "textarea", "checkboxes", "dropdown"}
    assert {entry["type"] for entry in form["body"]} <= kinds
    asked = [entry for entry in form["body"] if entry["type"] != "markdown"]
    names = [entry["id"] for entry in asked]
    assert len({*names}) == len(names) > 0
    assert all(entry["attributes"]["label"] for entry in asked)


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_actions_run_what_make_knows(path):
    text = path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)
    targets = set(re.findall(r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE))
    called = re.findall(r"^\s*(?:- run:|run:)?\s*make ([a-z ]+?)(?: &&.*)?$", text, re.MULTILINE)
    assert {word for words in called for word in words.split()} <= targets


def test_the_steps_of_a_release_call_what_is_there():
    page = read("RELEASING.md")
    targets = set(re.findall(r"^([a-z]+):.*##|^(lock):", read("Makefile"), re.MULTILINE))
    known = {name for pair in targets for name in pair}
    for words in re.findall(r"^ +make ([a-z ]+)$", page, re.MULTILINE):
        assert {*words.split()} <= known
    for name in re.findall(r"`(bids_eeg2fmri/\S+\.py)`", page):
        assert (ROOT / name).exists()
    for constant, name in re.findall(r"`([A-Z]+)` in `(\S+\.py)`", page):
        assert re.search(rf"^{constant} = \d+$", read(name), re.MULTILINE)
