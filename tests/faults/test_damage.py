"""What was stored and is not what it was is found, and made again."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from observed import complaints, results

ONE = ("--participant-label", "01")
DAMAGED = "its stored files were damaged"
HARMS = ("flip", "end", "cut", "empty", "longer", "gone")


def harm(path, kind, rng):
    """Damage a file as a disk would: its time of change stays, and other names of it are spared."""
    content, seen = bytearray(path.read_bytes()), path.stat()
    path.unlink()
    if kind == "gone":
        return
    if kind == "flip":
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    elif kind == "end":
        content[-1] ^= 1
    elif kind == "cut":
        content = content[: rng.integers(len(content))]
    else:
        content = b"" if kind == "empty" else content + b"\0"
    path.write_bytes(content)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def stored(out, label="01"):
    """Files of a participant in the work folder, in an order that stays."""
    return sorted(path for path in out.glob(f"work/*/sub-{label}*/**/*") if path.is_file())


def whys(out, label="01"):
    """Why each unit was made."""
    metas = out.glob(f"work/*/sub-{label}*/meta.json")
    return {path.parent.relative_to(out): json.loads(path.read_text())["why"] for path in metas}


@pytest.fixture
def kept(finished):
    """Output and work folders of an earlier run, of which the report is gone."""
    (finished / "sub-01.html").unlink()  # so that it is delivered again, from what is stored
    return finished


def test_a_bit_flipped_in_every_stored_file_changes_no_result(
    simulated, kept, undisturbed, app, fast
):
    rng = np.random.default_rng(0)
    for path in [*stored(kept), *kept.glob("work/delivered/*")]:
        harm(path, "flip", rng)
    told = app(simulated, kept, "participant", *ONE, *fast)
    assert (told.code, complaints(told)) == (0, [])
    assert {*whys(kept).values()} == {DAMAGED}
    assert results(kept) == results(undisturbed)


def test_any_damage_to_any_stored_file_is_found(simulated, kept, undisturbed, app, fast, faults):
    rng = np.random.default_rng(1)
    files = [path.relative_to(kept) for path in stored(kept)]
    for i in rng.permutation(len(files) * len(HARMS))[:faults]:
        file, kind = files[i // len(HARMS)], HARMS[i % len(HARMS)]
        (kept / "sub-01.html").unlink(missing_ok=True)
        harm(kept / file, kind, rng)
        told = app(simulated, kept, "participant", *ONE, *fast)
        assert (told.code, complaints(told)) == (0, []), (file, kind)
        if (file.name, kind) != ("meta.json", "flip"):  # which may hit a word that tells nothing
            assert whys(kept)[Path(*file.parts[:3])] == DAMAGED, (file, kind)
        assert results(kept) == results(undisturbed), (file, kind)


def test_damage_deep_in_a_large_file_is_found_by_who_reads_it(
    simulated, kept, undisturbed, app, fast
):
    (pairs,) = kept.glob("work/pairs/sub-01*/pairs.eeg.npy")
    harm(pairs, "end", np.random.default_rng(0))
    (training,) = kept.glob("work/train/sub-01*")
    shutil.rmtree(training)
    told = app(simulated, kept, "participant", *ONE, *fast)
    assert (told.code, complaints(told)) == (0, [])
    (line,) = [line for line in told.err.splitlines() if line.startswith("warning: ")]
    assert f"{pairs.parent}: stored files are not what was written" in line
    assert results(kept) == results(undisturbed)


def test_reports_alone_refuse_damaged_results(simulated, kept, app, fast):
    (volumes,) = kept.glob("work/test/sub-01*topo*/synthesised.npy")
    harm(volumes, "end", np.random.default_rng(0))
    told = app(simulated, kept, "participant", *ONE, *fast, "--reports-only")
    assert told.code == 66
    assert f"no stored result of the stage test ({DAMAGED})" in told.err
