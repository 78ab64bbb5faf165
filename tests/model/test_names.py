import subprocess
import sys

import pytest

from bids_eeg2fmri.errors import UsageError
from bids_eeg2fmri.model.names import ALL_PAPER, MODELS, expand, first_encoding, with_style


def test_the_names_are_known_without_torch():
    code = "import sys, bids_eeg2fmri.model.names; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_of_the_paper_are_the_rows_of_table_1_and_then_of_table_2():
    assert expand(["all-paper"]) == ALL_PAPER
    assert [MODELS[name].table for name in ALL_PAPER] == [1] * 5 + [2] * 4
    assert ALL_PAPER[:5] == ("linear", "topo", "rff", "topo-rff", "liu-sajda")


def test_every_model_has_a_title_of_its_own():
    assert len({entry.title for entry in MODELS.values()}) == len(MODELS)


def test_a_model_is_listed_once_where_it_was_first_asked_for():
    assert expand(["rff", "linear", "rff"]) == ("rff", "linear")
    assert expand(["liu-sajda", "all-paper"])[:2] == ("liu-sajda", "linear")
    assert len(expand(["liu-sajda", "all-paper"])) == len(ALL_PAPER)


def test_an_unknown_model_is_refused_with_the_closest():
    with pytest.raises(UsageError, match=r"There is no model 'topo-rf'\. Did you mean topo-rff\?"):
        expand(["linear", "topo-rf"])
    with pytest.raises(UsageError, match=r"no model 'magic'\. Known: all-paper, linear, topo"):
        expand(["magic"])


def test_no_model_at_all_is_refused():
    with pytest.raises(UsageError, match="No model is named"):
        expand([])


@pytest.mark.parametrize("name", ["topo", "topo-prior", "topo-unstyled"])
def test_a_style_leads_from_any_variant_to_any_other(name):
    assert with_style(name, "posterior") == "topo"
    assert with_style(name, "prior") == "topo-prior"
    assert with_style(name, "none") == "topo-unstyled"
    assert with_style(name.replace("topo", "topo-rff"), "prior") == "topo-rff-prior"


@pytest.mark.parametrize("name", ["linear", "rff", "liu-sajda"])
def test_a_model_without_attention_takes_no_style(name):
    with pytest.raises(UsageError, match=f"'{name}' has no attention.*choose among topo, topo-rff"):
        with_style(name, "prior")


def test_the_hybrid_has_one_style_only():
    with pytest.raises(UsageError, match=r"'hybrid' has one style only.*among topo, topo-rff\.$"):
        with_style("hybrid", "prior")


def test_encoders_are_searched_with_the_network_of_the_first_model_that_has_them():
    assert first_encoding(["liu-sajda", "topo-prior", "linear"]) == "topo-prior"
    assert first_encoding(["hybrid"]) == "topo-rff"
    with pytest.raises(UsageError, match="--models liu-sajda: there is no encoder to search for"):
        first_encoding(["liu-sajda"])
