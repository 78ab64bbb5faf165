"""Run the app as Brainlife asks: it gives ``config.json`` and takes ``product.json``.

Both, and the folders ``output`` and ``report``, are where this is started; ``main`` at the root of
the repository starts it in the image.
"""

import json
import shutil
import sys
from pathlib import Path

from inputs import lay_out
from options import spell
from product import describe, gather_pages

from bids_eeg2fmri import cli
from bids_eeg2fmri.errors import AppError, MissingInputError, UsageError

OUTPUT, WORK = Path("output"), Path("work")


def main() -> int:
    """Run the app once and return its exit code."""
    try:
        config = read_config(Path("config.json"))
        argv = [str(lay_out(config, Path("bids"))), str(OUTPUT), *spell(config)]
    except AppError as error:
        sys.stderr.write(f"error: {error}\n")
        return finish(error.exit_code, str(error))
    code = cli.main([*argv, "--work-dir", str(WORK)])
    if code == 0:
        shutil.rmtree(WORK, ignore_errors=True)
    return finish(code)


def read_config(path: Path) -> dict[str, object]:
    """Read what the platform asks for.

    Raises
    ------
    MissingInputError
        The file is not there.
    UsageError
        It is no JSON object.
    """
    if not path.is_file():
        raise MissingInputError(f"{path}: not here. The platform makes it; see config.json.sample.")
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON ({error}). See config.json.sample.") from None
    if not isinstance(config, dict):
        raise UsageError(f"{path}: not a JSON object. See config.json.sample.")
    return config


def finish(code: int, reason: str = "") -> int:
    """Write what the platform shows of the run."""
    gather_pages(OUTPUT, Path("report"))
    product = json.dumps(describe(OUTPUT, code, reason), indent=1, ensure_ascii=False)
    Path("product.json").write_text(product + "\n", "utf-8")
    return code


if __name__ == "__main__":  # spawned workers import this file
    sys.exit(main())
