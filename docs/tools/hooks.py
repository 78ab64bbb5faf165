"""What MkDocs cannot do itself: pages of the code, and links that lead out of ``docs/``.

Pages link to files as GitHub shows them, relative to where they lie in the repository. Of those
outside ``docs/``, some are pages of their own here, and of all others a page with their text is made.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
OWN_PAGES = {"CHANGES.md": "reference/changes.md", "CONTRIBUTING.md": "contributing.md"}
"""Files outside ``docs/`` that are pages of the site, and where."""
ELSEWHERE = {"README.md": "index.md"}
"""Files outside ``docs/`` whose place another page takes."""
CORE = ("types", "preprocess", "model", "search", "train", "evaluate", "explain")
"""Parts of the package with a page of what their docstrings say."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]+src=\W?(https?:[^\s>]+)|<link[^>]+(https?:[^\s>]+)"
)
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".json": "json", ".cff": "yaml"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside ``docs/`` that a page is or links to."""
    for path, page in OWN_PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    wanted = {
        target
        for file in files.documentation_pages()
        for target in targets(file.content_string, repository_path(file.src_uri))
    }
    for path in sorted(wanted - OWN_PAGES.keys() - ELSEWHERE.keys()):
        if not path.startswith("docs/") and (ROOT / path).is_file():
            files.append(File.generated(config, source_page(path), content=listing(path)))
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        page = site_page(path.relative_to(ROOT).as_posix())
        files.append(File.generated(config, page, content=notebook_page(path)))
    for room in CORE:
        files.append(File.generated(config, f"reference/code/{room}.md", content=room_page(room)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files of the repository lead to their pages on the site."""
    here = page.file.src_uri
    base = posixpath.dirname(repository_path(here))

    def relink(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(base, match[1]))
        return posixpath.relpath(site_page(path), posixpath.dirname(here) or ".")

    return LINK.sub(relink, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would ask the network for a script, a style, a font or a picture."""
    if asked := [match[0] for match in FETCHED.finditer(output)]:
        raise PluginError(f"{page.file.src_uri} would fetch {', '.join(asked)}")
    return output


def targets(text: str, path: str) -> Iterator[str]:
    """List the files of the repository to which a page links."""
    for link in LINK.findall(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def repository_path(page: str) -> str:
    """Say where the text of a page of the site lies in the repository."""
    own = {site: path for path, site in OWN_PAGES.items()}
    if page.startswith("source/"):
        return page.removeprefix("source/").removesuffix(".md")
    return own.get(page, f"docs/{page}")


def site_page(path: str) -> str:
    """Say which page of the site shows a file of the repository."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/").replace(".ipynb", ".md")
    return (OWN_PAGES | ELSEWHERE).get(path, source_page(path))


def source_page(path: str) -> str:
    """Name the page that lists a file."""
    return f"source/{path}.md"


def listing(path: str) -> str:
    """Show a file as a page that searches leave out."""
    language = LANGUAGES.get(Path(path).suffix, "text")
    text = (ROOT / path).read_text(encoding="utf-8").rstrip()
    head = "---\nsearch:\n  exclude: true\nhide: [toc]\n---\n"
    return f"{head}# {Path(path).name}\n\n`{path}`\n\n~~~~~~~~ {language}\n{text}\n~~~~~~~~\n"


def room_page(room: str) -> str:
    """Let mkdocstrings fill a page with the modules of a room."""
    at = ROOT / "bids_eeg2fmri" / room
    modules = sorted(file.stem for file in at.glob("[!_]*.py"))
    names = [f"bids_eeg2fmri.{room}.{module}" for module in modules] or [f"bids_eeg2fmri.{room}"]
    entries = "\n\n".join(f"::: {name}" for name in names)
    about = f"::: bids_eeg2fmri.{room}\n    options: {{members: false, show_root_heading: false}}\n"
    return f"# `bids_eeg2fmri.{room}`\n\n{about * bool(modules)}\n{entries}\n"


def notebook_page(path: Path) -> str:
    """Show a notebook, which is kept without outputs, as a page."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = ("".join(cell["source"]) for cell in cells)
    return "\n\n".join(
        f"```python\n{text}\n```" if cell["cell_type"] == "code" else text
        for cell, text in zip(cells, shown, strict=True)
    )
