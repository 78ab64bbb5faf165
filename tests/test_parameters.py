import pytest

from bids_eeg2fmri.app.parameters import main
from bids_eeg2fmri.model.names import ALL_PAPER

PUBLIC_CODE = {
    "linear": 43_367_664,
    "topo": 44_858_352,
    "rff": 43_250_359,
    "topo-rff": 44_741_047,
}
"""Counted on the authors' public code at the shape of NODDI."""
FINAL_CONVOLUTION = 2
"""Weight and bias of a 1×1×1 convolution of one channel, which the public code ends with."""
NORMALISATION = 2 * 343 + 1
"""What the public code trains of its Fourier features: gain, offset and scale."""


@pytest.fixture
def counts(capsys):
    """Call the command, and return what it counted by model and part."""

    def call(*argv):
        assert main(argv) == 0
        head, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
        return {
            name: dict(zip(head[1:], (int(n.replace(",", "")) for n in numbers), strict=True))
            for name, *numbers in rows
        }

    return call


def test_every_model_is_counted_and_its_parts_make_the_whole(counts):
    counted = counts()
    assert list(counted) == list(ALL_PAPER)
    for parts in counted.values():
        assert parts.pop("total") == sum(parts.values())


def test_the_counts_of_the_public_code_differ_by_its_final_convolution_alone(counts):
    counted = counts("--set", "model.fourier=normalised")
    for name, expected in PUBLIC_CODE.items():
        assert counted[name]["total"] + FINAL_CONVOLUTION == expected


def test_the_features_of_the_paper_train_nothing(counts):
    paper, code = counts(), counts("--set", "model.fourier=normalised")
    for name in ("rff", "topo-rff"):
        assert paper[name]["total"] + NORMALISATION == code[name]["total"]
    assert paper["linear"]["projection"] == 343 * 343 + 343


def test_other_shapes_take_encoders_that_fit(counts):
    shape = ("--eeg", "8", "30", "5", "--bold", "9", "10", "9", "--set", "model.latent=3")
    assert counts(*shape)["linear"]["decoder"] == 9 * 10 * 9 * (27 + 1)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--eeg", "8", "x", "3"], "'x' is no size"),
        (["--eeg", "8", "60"], "expected 3 arguments"),
        (["--bold", "0", "60", "3"], "'0' is no size"),
        (["--eeg", "8", "60", "3"], "EEG channels is 8 long: no encoder leads to"),
        (["--set", "model.latnt=3"], "no such setting"),
        (["--what"], "--what"),
    ],
)
def test_what_cannot_be_counted_is_refused_in_one_line(argv, words, capsys):
    assert main(argv) == 64
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
