"""A dataset from anywhere is read as data: it starts no code, leads nowhere else, asks nobody."""

import ast
import json
import pickle
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from apart import FORKS
from safetensors.numpy import save
from test_kills import LEVELS

from bids_eeg2fmri import cli
from bids_eeg2fmri.app.saved import open_model
from bids_eeg2fmri.bids.models import read_model, write_model
from bids_eeg2fmri.errors import DataError

PACKAGE = Path(cli.__file__).parent
EVIL = "<script>alert(1)</script>"
SLY = "\"onmouseover=alert(1) x='"
NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"}
WATCHED = NETWORK | {"pickle.find_class", "os.system", "marshal.loads"}
"""Events of Python's own audit that would tell of the network, or of code in data."""


def run_watched(seen, calls):
    """Call the program, and write down which events of the audit there were and how it ended."""
    events = []

    def watch(event, arguments):
        if event in WATCHED and not (event == "marshal.loads" and is_importing()):
            events.append(f"{event} {arguments!r}"[:200])

    sys.addaudithook(watch)
    codes = [cli.main([*map(str, call)]) for call in calls]
    found = [*events]
    pickle.loads(pickle.dumps(Path))  # which must be seen, or nothing was
    seen.write_text(json.dumps([codes, found, len(events) - len(found)]))


def is_importing():
    """Tell whether compiled modules are being read, which are no data."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def poison(bids, atlas):
    """Put markup wherever a dataset may hold words: its name, channels, markers, areas."""
    description = bids / "dataset_description.json"
    told = json.loads(description.read_text())
    replace(description, json.dumps({**told, "Name": f"{EVIL}{SLY}", "Authors": [EVIL]}))
    for file in bids.glob("sub-*/eeg/*"):
        if file.suffix in (".tsv", ".vhdr"):
            text = re.sub(r"\bFz\b", EVIL, file.read_text())
            replace(file, re.sub(r"\bCz\b", SLY.replace('"', "''"), text))
        if file.suffix == ".vmrk":
            replace(file, file.read_text().replace("R128", EVIL))
    image = nib.load(next(bids.glob("sub-01/func/*_bold.nii.gz")))
    labels = np.ones(image.shape[:3], np.int16)
    labels[: len(labels) // 2] = 2
    nib.save(nib.Nifti1Image(labels, image.affine), atlas)
    table = atlas.with_name("labels.tsv")
    table.write_text(f"index\tname\n1\t{EVIL}\n2\tx' {SLY[1:]}\n")
    return atlas, table


def replace(path, text):
    """Write anew what may be a hard link."""
    path.unlink()
    path.write_text(text)


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.handlers, self.text = set(), [], ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def watched(simulated, fast, tmp_path_factory):
    """A run on a poisoned dataset, with pictures, and its model on EEG alone; events and output."""
    folder = tmp_path_factory.mktemp("watched")
    bids, out = Path(shutil.copytree(simulated, folder / "bids")), folder / "out"
    labels = poison(bids, folder / "labels.nii.gz")
    options = (*LEVELS["participant"], *fast, "--set", "report.figures=true")
    train = (bids, out, *options, "--atlas", *labels)
    model = out / "models" / "sub-01_topo-rff"
    alone = ("--n-cpus", "1", "--omp-nthreads", "1")
    synthesise = (bids, out, *LEVELS["participant"], "--apply", model, *alone)
    process = FORKS.Process(target=run_watched, args=(folder / "seen", [train, synthesise]))
    process.start()
    process.join()
    return *json.loads((folder / "seen").read_text()), out


def test_a_run_asks_no_network_and_opens_no_pickle(watched):
    codes, events, seen, _ = watched
    assert codes == [0, 0]
    assert events == []
    assert seen == 1


def test_words_of_a_dataset_never_become_markup(watched):
    *_, out = watched
    pages = {path.name: Page(path) for path in out.glob("*.html")}
    assert pages.keys() == {"sub-01.html", "sub-01_applied.html"}
    for page in pages.values():
        assert "script" not in page.tags
        assert page.handlers == []
        assert EVIL in page.text
    told = pages["sub-01.html"].text
    assert f"Response/{EVIL}, 100 markers" in told
    assert f"{EVIL}{SLY}" in told
    for figure in out.glob("**/figures/*.svg"):
        assert "<script" not in figure.read_text()


def test_only_what_processes_of_one_run_tell_each_other_is_pickled():
    """What ruff's rules S3 and S5 see by file, and what numpy and torch could be asked for."""
    pickling = set()
    for path in [*PACKAGE.rglob("*.py"), PACKAGE.parent / "run.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {getattr(node, "module", None), *(alias.name for alias in node.names)}
                if names & {"pickle", "cloudpickle", "dill", "shelve", "marshal", "yaml"}:
                    pickling.add(path.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "torch.load", "pd.read_pickle"), path
                assert "allow_pickle=True" not in ast.unparse(node), path
    assert pickling <= {"runtime/cluster.py"}


def test_a_card_whose_shapes_are_not_those_of_its_tensors_is_refused_before_it_takes_memory(
    undisturbed, tmp_path
):
    tensors, card = read_model(undisturbed / "models" / "sub-01_topo-rff")
    card["shapes"]["bold"] = [30_000, 30_000, 30_000]
    write_model(tmp_path, tensors, card)
    with pytest.raises(DataError, match="does not fit its card"):
        open_model(tmp_path, "cpu")


def leaves(tree, path=()):
    """Paths to all values of nested lists and mappings, inner ones too."""
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*path, key))


def test_whatever_a_card_says_it_is_opened_or_refused_in_one_line(undisturbed, tmp_path, faults):
    tensors, card = read_model(undisturbed / "models" / "sub-01_topo-rff")
    parts = ("shapes", "config", "channels", "positions_m", "freqs_hz", "affine", "tested", "model")
    paths = [path for part in parts for path in leaves(card[part], (part,))]
    values = (None, -1, 0, 2.5, 10**9, 10**400, "x", [], {}, [[]], EVIL)
    rng, refusals = np.random.default_rng(0), []
    for _ in range(5 * faults):
        changed = json.loads(json.dumps(card))
        *way, last = paths[rng.integers(len(paths))]
        inner = changed
        for key in way:
            inner = inner[key]
        inner[last] = values[rng.integers(len(values))]
        write_model(tmp_path, tensors, changed)
        try:
            open_model(tmp_path, "cpu")
        except DataError as error:
            refusals.append(str(error))
    assert refusals
    assert all("\n" not in line for line in refusals)


def test_a_model_of_someone_else_is_no_model_of_ours(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(save({"a": np.ones(3)}))
    with pytest.raises(DataError, match="is no model of ours"):
        open_model(tmp_path, "cpu")
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match="is no model of ours"):
        open_model(tmp_path, "cpu")
