"""Make the pictures of the tutorial from the reports of the demo: ``python docs/make_pictures.py demo``.

The folder holds what ``make demo`` and the tutorial's run without coupling have written. Pages and
figures are drawn by chromium, on the light ground of the reports.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

PICTURES = Path(__file__).parent / "pictures"
PAGES = {
    "report-top": ("out/sub-01.html", 660),
    "group-top": ("out/group.html", 720),
    "uncoupled-top": ("uncoupled-out/sub-01.html", 660),
}
"""Reports by the name of their picture, each with how much of its top is shown, in pixels."""
FIGURES = {
    "volume": "desc-example_volume.png",
    "maps": "stat-r_desc-planes_map.png",
    "signals": "desc-signal_timecourse.svg",
    "null": "desc-null_histogram.svg",
    "relevance": "desc-relevance_eeg.svg",
    "scalp": "desc-relevance_bands.svg",
    "models": "desc-models_forest.svg",
}
"""Figures of the first participant by the name of their picture."""
WIDTH = 1000
"""Of a page, in pixels."""
GROUND = "#fbfaf7"
FRAME = 12
CHROMIUM = (
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-device-scale-factor=1.5"),
)


def main(demo: Path) -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name, (page, height) in PAGES.items():
        shoot(demo / page, name, WIDTH, height)
    for name, ending in FIGURES.items():
        (figure,) = (demo / "out/sub-01/figures").glob(f"*_task-rest_{ending}")
        draw(figure, name)


def draw(figure: Path, name: str) -> None:
    """Draw a figure of a report on the report's ground."""
    width, height = size(figure)
    scale = min(1.0, (WIDTH - 2 * FRAME) / width)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        image = f'<img src="{figure.resolve().as_uri()}" width="{scale * width}">'
        page.write_text(f'<body style="margin:{FRAME}px;background:{GROUND}">{image}</body>')
        shoot(page, name, *(round(scale * side) + 2 * FRAME for side in (width, height)))


def size(figure: Path) -> tuple[float, float]:
    """Read the size of a figure in pixels of a page."""
    if figure.suffix == ".png":
        with Image.open(figure) as image:
            return image.size
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure.read_text(encoding="utf-8"))
    if not box:
        raise ValueError(f"{figure} has no viewBox")
    return float(box[1]) * 4 / 3, float(box[2]) * 4 / 3  # points to pixels


def shoot(page: Path, name: str, width: int, height: int) -> None:
    """Keep the top of a page as a picture."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        window = (f"--window-size={width},{height}", f"--screenshot={shot}")
        call = [*CHROMIUM, *window, page.resolve().as_uri()]
        subprocess.run(call, check=True, capture_output=True)
        with Image.open(shot) as image:
            image.convert("RGB").save(PICTURES / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
