"""The methods text and its references."""

import re

import pytest

from bids_eeg2fmri.bids.methods import Facts, Network, methods_text
from bids_eeg2fmri.bids.references import REFERENCES, bibliography, cite, reference_list
from bids_eeg2fmri.config import (
    Config,
    ExplainConfig,
    SearchConfig,
    SpectrogramConfig,
    WindowConfig,
)
from bids_eeg2fmri.presets import PRESETS
from bids_eeg2fmri.settings import from_mapping

TOPO_RFF = Network(
    title="(iv) attention and Fourier features",
    kind="paper",
    fourier=True,
    posterior=True,
    parameters=44_741_047,
    epochs=10,
    best_epoch=8,
)
FACTS = Facts(
    participants=1,
    runs=2,
    volumes=1200,
    pairs=1174,
    spaces=[],
    delays=[],
    combined=False,
    masked=False,
    tr=[1.28, 2.16],
    channels=64,
    clocks=["the markers Response/R128"],
    cleaned=0,
    beats=0,
    clock_residual=2e-4,
    native_grids=[(108, 108, 54)],
    grid=(64, 64, 30),
    split=(700, 120, 290),
    gap=26.0,
    undivided=[],
    choosing=[],
    held_out=[],
    folds=1,
    parcels=["AAL2.nii"],
    networks=[TOPO_RFF],
    software={"bids_eeg2fmri": "0.1.0", "torch": "2.13.0"},
)


def test_the_text_tells_what_was_taken_out_of_the_eeg():
    text = methods_text(Config(), {**FACTS, "cleaned": 2, "beats": 1})
    for part in (
        "From the EEG of 2 runs the artefact of the gradients was taken out at the full",
        f"21 neighbouring volumes ({cite('allen2000')}) aligned to parts of a sample, and of at",
        f"From 1 run of them that of the heart ({cite('allen1998')}) was taken out by an optimal",
    ):
        assert part in text
    assert "gradients" not in methods_text(Config(), FACTS)


def test_the_text_tells_how_bold_had_been_prepared():
    prepared = {"spaces": ["the space T1w"], "delays": [0.98], "combined": True, "masked": True}
    text = methods_text(Config(), {**FACTS, **prepared})
    for part in (
        f"BOLD had been preprocessed as by fMRIPrep ({cite('esteban2019')}), in the space T1w; its",
        "stand for the time 0.98 s after the onset of each volume, which is t below. Echoes were",
        f"by TE·exp(−TE/T2*) ({cite('posse1999')}), T2* fitted to the logarithm of their mean",
        "The brain mask is that of the preprocessing.",
    ):
        assert part in text
    assert "largest connected part" not in text


def test_the_text_tells_what_was_run():
    text = methods_text(Config(), FACTS)
    for part in (
        "1 participant (2 runs, 1,200 volumes, repetition time 1.28 and 2.16 s, 64 EEG channels)",
        "from the markers Response/R128, none of which lies further than 0.20 ms from a regular",
        "from t − 26 s to t − 6 s; 1,174 volumes had",
        "(window 2 s, hop 2 s, taper hann, 0.5–67 Hz)",
        "from 108×108×54 to 64×64×30 voxels",
        "latent space of 7×7×7",
        "44,741,047 weights",
        "120 pairs after them in time chose the epoch",
        "the test had 290 pairs, the last of each task. Between parts of one recording 26 s were",
        "Likewise scored were the mean signals of parcels: AAL2.nii; q is the false discovery rate",
        "what was kept is the network of epoch 8.",
        "bids_eeg2fmri 0.1.0 and torch 2.13.0.",
    ):
        assert part in text


def test_other_settings_and_facts_give_other_words():
    cfg = Config(window=WindowConfig(20.0, 0.0), spectrogram=SpectrogramConfig(value="log"))
    facts = Facts({**FACTS, "native_grids": [(64, 64, 30)], "held_out": ["sub-03", "sub-07"]})
    facts = Facts({**facts, "clocks": ["the user"], "clock_residual": None, "choosing": ["sub-05"]})
    text = methods_text(cfg, facts)
    assert "from t − 20 s to t; 1,174" in text
    assert "the logarithm of the power of the short-time" in text
    assert "BOLD stayed on its native grid of 64×64×30 voxels. EEG was" in text
    assert "120 pairs of sub-05 chose the epoch" in text
    assert "all of sub-03 and sub-07, held out from training. Training minimised" in text
    assert "from the user. A volume" in " ".join(text.split())


def test_the_nulls_that_ran_are_told():
    text = methods_text(Config(), FACTS)
    assert "for EEG with random phases (Prichard & Theiler, 1994; 39 draws a run)." in text
    cfg = from_mapping({"evaluate": {"phase_draws": 0, "retrained_draws": 20}})
    text = methods_text(cfg, Facts({**FACTS, "held_out": ["sub-03", "sub-07"]}))
    assert "Prichard" not in text
    assert (
        "in blocks of another order, for the EEG of the other test participants; and what 20 "
        "trainings of each network with the EEG of every run shifted give." in text
    )


def test_the_public_codes_choices_are_told():
    text = methods_text(from_mapping(PRESETS["calhas2022-code"]), FACTS)
    for part in (
        "from t − 10 repetition times to t; 1,174 volumes had",
        "(window 1 repetition time, hop 1 repetition time, taper boxcar, 0–1000 Hz, of which the "
        "lowest 134 frequencies at most)",
        "EEG was standardised across electrodes at each frequency and window; BOLD was "
        "standardised by one mean and one standard deviation of each participant, test volumes "
        "included, in",
        "120 pairs after them in time were watched; the test",
        "learning rate 0.00298, schedule constant, weight decay 0)",
        "shifts of the EEG in time give, those of 10 repetition times or more and beyond",
    ):
        assert part in text


def test_several_models_folds_and_candidates_are_told():
    other = Network(
        title="Liu & Sajda",
        kind="transcoder",
        fourier=False,
        posterior=False,
        parameters=320_002,
        epochs=7,
        best_epoch=2,
    )
    cfg = Config(search=SearchConfig(choose="darts"))
    facts = Facts({**FACTS, "networks": [TOPO_RFF, other], "held_out": ["sub-03"], "folds": 5})
    text = methods_text(cfg, facts)
    for part in (
        "The networks are (iv) attention and Fourier features (44,741,047 weights) and Liu & Sajda",
        "The convolutional transcoder follows Liu & Sajda, 2019.",
        "of 10 for each modality, the one was taken to which differentiable search gave most",
        "Each participant was held out once, in 5 folds; what follows is of the first.",
        "It ended after 7 to 10 epochs; what was kept is the network of epoch 8 and 2.",
    ):
        assert part in text


def test_the_text_tells_how_relevance_was_found_where_it_was():
    explained = "layer-wise relevance propagation (Bach et al., 2015; ε-rule, ε = 1e-06) from the"
    variance = Config(explain=ExplainConfig(start="variance", percentile=95.0))
    text = methods_text(variance, FACTS)
    assert f"{explained} variance of the output over time back to the EEG, over 200 test" in text
    assert "exceeds the 95th percentile." in text
    assert f"{explained} output back to" in methods_text(Config(), FACTS)
    assert "relevance" not in methods_text(Config(explain=ExplainConfig(pairs=0)), FACTS)


def test_a_network_without_latents_has_no_cosine_distance_in_its_loss():
    other = Network(
        title="Liu & Sajda",
        kind="transcoder",
        fourier=False,
        posterior=False,
        parameters=320_002,
        epochs=7,
        best_epoch=2,
    )
    text = methods_text(Config(), Facts({**FACTS, "networks": [other]}))
    assert "Training minimised the mean absolute error, by AdamW" in text


def test_the_text_is_six_paragraphs_of_plain_prose():
    text = methods_text(Config(), FACTS)
    paragraphs = text.split("\n\n")
    assert len(paragraphs) == 6
    assert not re.search(r"[{}\n]|  | [.,;]", "".join(paragraphs))


def test_every_citation_of_the_text_stands_in_its_list_and_bibliography():
    text = methods_text(Config(), FACTS)
    cited = re.findall(r"[^(;]+, (?:19|20)\d\d(?=[;)])", text)
    assert len(cited) == len(reference_list(text)) == bibliography(text).count("@")
    assert bibliography(text).count("@article{gorgolewski2016,\n") == 1


def test_what_is_not_cited_is_not_listed():
    assert reference_list("Murphy, 1988") == [str(REFERENCES["murphy1988"])]


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("murphy1988", "Murphy, 1988"),
        ("demoura2008", "de Moura & Bjørner, 2008"),
        ("pernet2019", "Pernet et al., 2019"),
    ],
)
def test_one_two_and_many_authors_are_cited_as_usual(key, label):
    assert cite(key) == label


def test_the_hybrid_and_what_it_predicts_are_told():
    hybrid = Network(
        title="hybrid",
        kind="hybrid",
        fourier=True,
        posterior=True,
        parameters=10,
        epochs=3,
        best_epoch=2,
    )
    cfg = from_mapping({"scale": {"eeg": "run", "target": "deviation"}})
    text = methods_text(cfg, Facts({**FACTS, "networks": [hybrid]}))
    assert "The linear path of the hybrid is a ridge regression (Hoerl & Kennard, 1970)" in text
    assert "the mean of its run by electrode and frequency" in text
    assert "how volumes deviate from the mean of their run" in text
    assert "Liu & Sajda" not in text


def test_the_text_tells_in_which_precision_encoders_were_trained():
    halved = from_mapping({"train": {"precision": "bfloat16"}})
    told = ", while encoders computed in bfloat16. It ended after"
    assert told in methods_text(halved, FACTS)
    assert "bfloat16" not in methods_text(Config(), FACTS)
    transcoder = {**TOPO_RFF, "kind": "transcoder", "fourier": False, "posterior": False}
    assert "bfloat16" not in methods_text(halved, {**FACTS, "networks": [transcoder]})
