"""What results say is what the files say, and a notebook shows it safely."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from bids_eeg2fmri import load_results
from bids_eeg2fmri.bids.write import write_json
from bids_eeg2fmri.errors import DataError, MissingInputError, UsageError

RUN = "sub-01_task-rest"
FUNC = f"sub-01/func/{RUN}"


@pytest.fixture
def results(finished):
    return load_results(finished)


def test_scores_are_those_of_the_table_with_their_verdicts(results, finished):
    table = pd.read_table(finished / f"{FUNC}_desc-synth_metrics.tsv", na_values="n/a")
    told = json.loads((finished / f"{FUNC}_desc-synth_metrics.json").read_text())["models"]
    scores = results.scores.loc[RUN]
    assert [*scores.index] == [*table["model"]]
    np.testing.assert_array_equal(scores["skill"], table["skill"])
    assert scores.loc["topo-rff", "verdict"] == told["topo-rff"]["verdict"]
    assert scores["verdict"].notna().sum() == 2
    assert scores.index[scores["oracle"]].tolist() == ["participant-mean", "global-signal"]


def test_the_residual_is_observed_minus_synthesised(results):
    target, synth, residual = (
        results.bold(what, run=RUN).get_fdata() for what in ("target", "synth", "residual")
    )
    np.testing.assert_allclose(residual, target - synth, atol=1e-2)


def test_images_are_opened_and_not_read(results, finished):
    image = results.map("skill", run=RUN)
    assert nib.is_proxy(image.dataobj)
    assert image.get_filename() == str(finished / f"{FUNC}_stat-skill_desc-synth_boldmap.nii.gz")
    mask = results.mask(run=RUN).get_fdata() > 0
    assert np.isfinite(image.get_fdata()[mask]).all()


def test_tables_of_a_recording_are_those_of_its_files(results):
    volumes = results.by_volume(run=RUN, model="topo-rff")
    assert len(volumes) == results.bold(run=RUN).shape[3]
    assert {"index", "name", "model"} <= set(results.parcels(run=RUN).columns)
    assert results.about(run=RUN)["clock"]["source"] == "triggers:Response/R128"
    with pytest.raises(MissingInputError, match="not asked for"):
        results.relevance(run=RUN)


def test_what_could_be_meant_by_several_is_asked_for(results):
    with pytest.raises(UsageError, match=r"2 recordings: name one with run=…\. There are: sub-01"):
        results.bold()
    with pytest.raises(UsageError, match="run='sub-09': no such recording"):
        results.bold(run="sub-09")
    with pytest.raises(UsageError, match=r"no such model\. There are: topo-rff"):
        results.bold(run=RUN, model="hybrid")
    with pytest.raises(UsageError, match="2 reports"):
        _ = results.report


def test_models_and_reports_are_where_they_say(results, finished):
    assert results.models["sub-01_topo-rff"] == finished / "models" / "sub-01_topo-rff"
    assert [path.name for path in results.reports] == ["sub-01.html", "sub-02.html"]
    assert results.model("sub-02_topo-rff").verdict == results.verdicts["verdict"].iloc[1]


def test_a_notebook_opens_with_the_verdict(results):
    page = results._repr_html_()
    text = re.sub(r"<[^>]+>|\s+", " ", page).split()
    verdict = results.verdicts["verdict"].iloc[0]
    assert " ".join(text).lower().startswith(verdict)
    assert "<script" not in page
    assert repr(results).splitlines()[1].endswith(f"sub-01_topo-rff: {verdict}")


def test_words_of_a_dataset_become_no_markup(finished):
    path = finished / "models" / "sub-01_topo-rff" / "model.json"
    card = json.loads(path.read_text())
    card["tested"] |= {"verdict_text": "<script>alert(1)</script>", "verdict": "<b>"}
    write_json(path, card)
    table = finished / f"{FUNC}_desc-synth_metrics.tsv"
    text = table.read_text().replace("topo-rff", "<img src=x onerror=alert(1)>")
    table.unlink()  # it is a link
    table.write_text(text)
    page = load_results(finished)._repr_html_()
    assert not re.search(r"<(script|b|img)\b", page)
    assert "&lt;script&gt;" in page
    assert "&lt;img" in page


def test_a_damaged_file_is_named(finished):
    path = Path(finished / f"{FUNC}_desc-synth_metrics.json")
    path.unlink()  # it is a link
    path.write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json: cannot be read"):
        _ = load_results(finished).scores
