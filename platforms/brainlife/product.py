"""What Brainlife shows of a run: ``product.json``, and the pages as a dataset of their own."""

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from bids_eeg2fmri import __version__
from bids_eeg2fmri.errors import AppError

SHOWN = ("pearsoncorrelation", "skill")
"""Scores to read; see *Scores* in docs/reference/outputs.md."""
PICTURES = "sub-*/figures/*_stat-r_desc-planes_map.png"
"""Where in the brain the first model's temporal correlation lies."""
MOST = 4
"""Pictures and graphs: the platform keeps all this in its database."""
WIDTH = 480
"""Of a picture, in pixels."""


def describe(out: Path, code: int, reason: str = "") -> dict[str, Any]:
    """Return the content of ``product.json``.

    Parameters
    ----------
    out
        The results.
    code
        Exit code of the app.
    reason
        What it said, where it never began.
    """
    runs = dict(_runs(out))
    verdicts = {verdict for scores in runs.values() for verdict in _verdicts(scores).values()}
    return {
        "brainlife": [
            *_ends(code, reason),
            *(message for name, scores in runs.items() for message in _messages(name, scores)),
            *[_graph(name, runs[name]) for name in runs if name.startswith("sub-")][:MOST],
            *[_picture(path) for path in sorted(out.glob(PICTURES))[:MOST]],
            *([{"type": "html", "name": "Reports", "path": "report"}] if _pages(out) else []),
        ],
        "scores": {
            run: {model: {name: own.get(name) for name in SHOWN} for model, own in scores.items()}
            for run, scores in runs.items()
        },
        "meta": {"bids_eeg2fmri": __version__, "exit_code": code},
        "tags": sorted(verdict.replace(" ", "_") for verdict in verdicts),
        "datatype_tags": [],
    }


def gather_pages(out: Path, report: Path) -> None:
    """Copy the pages, which stand alone, to where the platform looks for them.

    Parameters
    ----------
    out
        The results.
    report
        Gets a folder ``html`` with an ``index.html``.
    """
    shutil.rmtree(report, ignore_errors=True)
    html = report / "html"
    html.mkdir(parents=True)
    pages = _pages(out)
    for page in pages:
        shutil.copy(page, html)
    links = "".join(f'<li><a href="{page.name}">{page.stem}</a></li>' for page in pages)
    body = f"<ul>{links}</ul>" if pages else "<p>No report was written.</p>"
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports</title>'
    (html / "index.html").write_text(f"{head}{body}</html>\n", "utf-8")


def _pages(out: Path) -> list[Path]:
    return sorted(out.glob("*.html"))


def _runs(out: Path) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Scores by model, of each recording and, without scores, of the group."""
    recordings = sorted(out.glob("sub-*/**/*_desc-synth_metrics.json"))
    for path in [*recordings, *sorted(out.glob("group_*_metrics.json"))]:
        if models := json.loads(path.read_text("utf-8")).get("models"):
            yield path.name.removesuffix("_metrics.json").removesuffix("_desc-synth"), models


def _verdicts(scores: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {model: own["verdict"] for model, own in scores.items() if "verdict" in own}


def _ends(code: int, reason: str) -> Iterator[dict[str, str]]:
    if code:
        kinds = {
            kind.exit_code: str(kind.__doc__).splitlines()[0] for kind in AppError.__subclasses__()
        }
        said = reason or f"{kinds.get(code, 'A mistake in the program.')} See the log."
        yield {"type": "error", "msg": f"The app ended with exit code {code}: {said}"}


def _messages(run: str, scores: dict[str, dict[str, Any]]) -> Iterator[dict[str, str]]:
    for model, verdict in _verdicts(scores).items():
        text = f"{run}, {model}: {verdict}. {scores[model]['verdict_text']}"
        yield {"type": "success" if verdict == "informative" else "warning", "msg": text}


def _graph(run: str, scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Draw the scores of models and baselines side by side."""
    return {
        "type": "plotly",
        "name": f"Scores of {run}",
        "data": [
            {
                "type": "bar",
                "name": name,
                "x": list(scores),
                "y": [own.get(name) for own in scores.values()],
            }
            for name in SHOWN
        ],
        "layout": {"barmode": "group", "yaxis": {"title": {"text": "temporal r, skill"}}},
    }


def _picture(path: Path) -> dict[str, str]:
    """Embed a picture, made no wider than a page of the platform needs."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDTH, 10 * WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return {
        "type": "image/png",
        "name": f"Temporal r, {path.name.split('_stat-')[0]}",
        "base64": base64.b64encode(buffer.getvalue()).decode(),
    }
