"""Say in words what was run, with citations."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal, TypedDict

from jinja2 import Environment, StrictUndefined

from bids_eeg2fmri.bids.references import cite
from bids_eeg2fmri.config import Config, ScaleConfig
from bids_eeg2fmri.types import Grid


class Network(TypedDict):
    """What is told of one model."""

    title: str
    """What it is; the models of the original work begin with their number in brackets."""
    kind: Literal["paper", "hybrid", "transcoder"]
    """Of which make: the original work's, with a linear path beside it, or Liu & Sajda's."""
    fourier: bool
    """Whether its latent goes through random Fourier features."""
    posterior: bool
    """Whether its style comes from attention."""
    parameters: int
    """Trained weights."""
    epochs: int
    """Passes over the training pairs until training ended."""
    best_epoch: int
    """The pass after which it was kept."""


class Facts(TypedDict):
    """What a run found out by itself; everything else that the text tells is in the settings."""

    participants: int
    """Participants whose recordings were used."""
    runs: int
    """Runs of simultaneous EEG and BOLD."""
    volumes: int
    """Volumes stored in all runs."""
    pairs: int
    """Volumes with a full history of EEG."""
    spaces: Sequence[str]
    """Spaces of BOLD that a pipeline has preprocessed; none where it is raw."""
    delays: Sequence[float]
    """Seconds after the onset of a volume to which its slices were brought; none where not."""
    combined: bool
    """Whether echoes were combined."""
    masked: bool
    """Whether the brain mask is that of the pipeline."""
    tr: Sequence[float]
    """The repetition times that occur, in seconds."""
    channels: int
    """EEG channels of the model."""
    clocks: Sequence[str]
    """The sources of the clocks in words, e.g. ``the markers Response/R128``."""
    cleaned: int
    """Runs from whose EEG the artefact of the gradients was taken out."""
    beats: int
    """Runs of those from which that of the heart was taken out too."""
    clock_residual: float | None
    """Largest distance of a marker from its clock in all runs, in seconds; none without markers."""
    native_grids: Sequence[Grid]
    """The grids that the BOLD runs were stored on."""
    grid: Grid
    """The model's grid."""
    split: tuple[int, int, int]
    """Pairs for training, validation and test."""
    gap: float
    """Seconds left out between those parts."""
    undivided: Sequence[str]
    """Tasks too short to be divided, which only trained the model; none at group level."""
    choosing: Sequence[str]
    """Participants that only chose the epoch; none where later pairs of the training ones did."""
    held_out: Sequence[str]
    """Participants that only tested the model; none at participant level."""
    folds: int
    """Divisions of the participants; one at participant level."""
    parcels: Sequence[str]
    """Where the parcels come from that were scored too, in words; none where there are none."""
    networks: Sequence[Network]
    """The models."""
    software: Mapping[str, str]
    """Versions, by package."""


_TEXT = """\
Simultaneous EEG and BOLD fMRI of {{ count(participants, "participant") }}
({{ count(runs, "run") }}, {{ count(volumes, "volume") }}, repetition time
{{ listed(repetition_times) }} s, {{ count(channels, "EEG channel") }}) were taken from a BIDS
dataset ({{ cite("gorgolewski2016", "pernet2019") }}) with PyBIDS ({{ cite("yarkoni2019") }}),
MNE-BIDS ({{ cite("appelhoff2019") }}), MNE-Python ({{ cite("gramfort2013") }}) and NiBabel
({{ cite("brett2024") }}). When each volume was acquired on the EEG clock is known from
{{ listed(clocks) }} {%- if clock_residual is not none %}, none of which lies further than
{{ "%.2f" % (1000 * clock_residual) }} ms from a regular course{% endif %}.
{% if cleaned %}From the EEG of {{ count(cleaned, "run") }} the artefact of the gradients was taken
out at the full sampling rate, by subtraction of the mean of {{ cfg.clean.averaged }} neighbouring
volumes ({{ cite("allen2000") }}) aligned to parts of a sample
{%- if cfg.clean.components %}, and of at most {{ count(cfg.clean.components, "component") }} for
what was left (after {{ cite("niazy2005") }}){% endif %}; the rest was low-passed and downsampled.
{% endif %}{% if beats %}From {{ count(beats, "run") }} of them that of the heart
({{ cite("allen1998") }}) was taken out by an optimal basis set ({{ cite("niazy2005") }};
the mean beat and {{ count(cfg.clean.beat_components, "component") }}).{% endif %}

{% if spaces %}BOLD had been preprocessed as by fMRIPrep ({{ cite("esteban2019") }}), in
{{ listed(spaces) }}{% if delays %}; its slices stand for the time {{ listed(delays) }} s after the
onset of each volume, which is t below{% endif %}. {% endif %}
{%- if combined %}Echoes were summed, weighted voxel by voxel by TE·exp(−TE/T2*)
({{ cite("posse1999") }}), T2* fitted to the logarithm of their mean volumes. {% endif %}
{%- if cfg.bold.smoothing %}BOLD was smoothed with a Gaussian of {{ "%g" % cfg.bold.smoothing }} mm
full width at half maximum. {% endif %}
{%- if cfg.bold.clean != "none" %}From each voxel
{%- if cfg.bold.clean == "confounds" %} {{ cfg.bold.motion }} regressors of head motion
({{ cite("friston1996", "satterthwaite2013") }}),{% endif %} linear trends
{%- if cfg.bold.high_pass %} and cosines slower than {{ "%g" % cfg.bold.high_pass }} Hz{% endif %}
were regressed out at once ({{ cite("lindquist2019") }}) with Nilearn ({{ cite("abraham2014") }}),
with coefficients from all volumes of the run. {% endif %}
{%- if cfg.bold.units == "percent" %}Intensities are percent of each voxel's mean over the run.
{% endif %}A volume at
time t was paired with the EEG from {{ before(cfg.window.start) }} to
{{ before(cfg.window.stop) }}; {{ count(pairs, "volume") }} had that history in full. From this
EEG came a spectrogram, the {{ "logarithm of the power" if stft.value == "log" else stft.value }}
of the short-time Fourier transform (window {{ time(stft.window) }}, hop {{ time(stft.hop) }},
taper {{ stft.taper }}, {{ "%g" % stft.fmin }}–{{ "%g" % stft.fmax }} Hz
{%- if stft.bins %}, of which the lowest {{ count(stft.bins, "frequency") }} at most{% endif %}).
{% if kept_grid %}BOLD stayed on its native grid of {{ grid }} voxels.{% else %}BOLD was brought
from {{ listed(native_grids) }} to {{ grid }} voxels by cutting its discrete cosine transform.
Synthesised volumes were brought back by padding it, and compared with observed volumes that went
the same way, so that detail finer than the model's grid counts in no score.{% endif %}
{{ scaling(cfg.scale) }} {% if masked %}The brain mask is that of the preprocessing.
{%- else %}The brain mask is the largest connected part of what is bright in the
temporal mean, above the threshold half way between the means of both sides
({{ cite("ridler1978") }}), with its gaps closed.{% endif %}

{{ "The network is" if networks | length == 1 else "The networks are" }} {{ described }}.
{% if has_own %}Roman numbers are those of the original work ({{ cite("calhas2022") }}): a residual
encoder brings the EEG, where a model has attention after electrodes have attended to each other by
{{ cfg.model.attention }}, to a latent space of
{{ size(cfg.model.latent, cfg.model.latent, cfg.model.latent) }}. This is projected linearly or onto
random Fourier features ({{ cite("rahimi2007") }}{{ form[cfg.model.fourier] }}), multiplied by a
style where there is one, and decoded by one dense layer{% if cfg.model.voxels == "brain" %},
the voxels of the brain alone{% endif %}; {{ start[cfg.train.start] }}. Z3
({{ cite("demoura2008") }}) generated encoders that fit the shape of the data
{%- if cfg.search.choose != "first" and cfg.search.candidates > 1 %}; of
{{ cfg.search.candidates }} for each modality, the one was taken {{ choice[cfg.search.choose] }},
trained for up to {{ count(cfg.search.epochs, "epoch") }}{% endif %}. {% endif %}
{%- if "hybrid" in kinds %}The linear path of the hybrid is a ridge regression
({{ cite("hoerl1970") }}) of deviations from the mean volume on the band power of each electrode
through a haemodynamic response ({{ cite("friston1998") }}), both prewhitened
({{ cite("cochrane1949") }}). Penalty, and delay and width of the response where they clearly
differed from the canonical one, were chosen by cross-validation in blocks of training pairs; the
output of its network was added as far
as validation pairs bore it out. {% endif %}
{%- if "transcoder" in kinds %}The convolutional transcoder follows {{ cite("liu2019sajda") }}.
{%- endif %}

{% if folds > 1 %}Each participant was held out once, in {{ folds }} folds; what follows is of the
first. {% endif %}{% if cfg.split.repeats > 1 and held_out %}Each model was trained
{{ cfg.split.repeats }} times with draws of its own. {% endif %}Training used
{{ count(split[0], "pair") }}; {{ count(split[1], "pair") }}
{{ "of " ~ listed(choosing) if choosing else "after them in time" }}
{{ "chose the epoch" if fit.keep == "best" else "were watched" }}; the test had
{{ count(split[2], "pair") }}, {% if held_out %}all of {{ listed(held_out) }}, held out from
training{% else %}the last of each task{% if undivided %} but {{ listed(undivided) }}, too short to
be divided and used for training alone{% endif %}{% endif %}. {% if not choosing %}Between
parts of one recording {{ "%g" % gap }} s were left out. {% endif %}Training minimised the mean
absolute error{% if has_own %}, of models with latents plus {{ "%g" % fit.regularisation }} times
the cosine distance between those of EEG and BOLD{% endif %}, by AdamW
({{ cite("loshchilov2019") }}; learning rate {{ "%g" % fit.learning_rate }}
{%- if fit.shares %}, of which wide dense layers take a share{% endif %}, schedule
{{ fit.schedule }}, weight decay {{ "%g" % fit.weight_decay }}) in PyTorch
({{ cite("paszke2019") }}), with {{ count(fit.batch_size, "pair") }} a step{% if has_own %} and a
dropout of {{ "%g" % cfg.model.dropout }}
{%- if fit.precision == "bfloat16" %}, while encoders computed in bfloat16{% endif %}
{%- endif %}. It ended after {{ epochs }}; what was kept
is the network of epoch {{ listed(best_epochs) }}. All draws derive from seed {{ cfg.seed }}.

Synthesised and observed test volumes were compared by root mean squared error, mean absolute
error, peak signal-to-noise ratio, three-dimensional structural similarity
({{ cite("wang2004") }}), each voxel's correlation over time after linear trends were taken out, and
skill ({{ cite("murphy1988") }}): one minus the squared error over that of the mean training volume,
which stands beside the model as a baseline. So do a ridge regression ({{ cite("hoerl1970") }}) on
the band power of each electrode through the canonical haemodynamic response
({{ cite("friston1998") }}), both prewhitened ({{ cite("cochrane1949") }}), one on the time since
the run began, and oracles. Chance is what
circular shifts of the EEG in time give, those of {{ time(cfg.window.start) }} or more and beyond
the autocorrelation of the signals; p ranks the true score among those of all shifts. Beside it
stands, with p = (1 + b) / (1 + n) where b of n draws reach the true score, what the same model
gives for predictions in blocks of another order
{%- if evaluate.phase_draws %}, for EEG with random phases ({{ cite("prichard1994") }};
{{ count(evaluate.phase_draws, "draw") }} a run){% endif %}
{%- if held_out | length > 1 %}, for the EEG of the other test participants{% endif %}
{%- if evaluate.retrained_draws %}; and what {{ count(evaluate.retrained_draws, "training") }}
of each network with the EEG of every run shifted give{% endif %}.
{% if parcels %}Likewise scored were the mean signals of parcels: {{ listed(parcels) }}; q is the
false discovery rate over them ({{ cite("benjamini1995") }}). {% endif %}
{% if held_out %}Models and baselines were compared over participants, runs averaged first, by
paired t and signed-rank tests, and voxel by voxel by paired t or, of fewer than three
participants, by sign flips of blocks of volumes; q is the false discovery rate
({{ cite("benjamini1995") }}).{% endif %}
{%- if explain.pairs %} What the synthesis rests on was found by layer-wise relevance propagation
({{ cite("bach2015") }}; ε-rule, ε = {{ "%g" % explain.epsilon }}) from
{{ "the variance of the output over time" if explain.start == "variance" else "the output" }} back
to the EEG, over {{ explain.pairs }} test pairs of a run at most.
{%- if "hybrid" in kinds and stft.value == "log" %} The logarithm of a band's mean power gave each
frequency its share of the power times its own value.{% endif %}
{%- if has_fourier %} It ended at the cosines of random Fourier features, as in the original
work.{% endif %}
{%- if has_posterior %} Of a projection without cosines and its style each got half. Attention
scores, weights where they mix electrodes, got relevance by the style that is made of them; the
graph shows those whose relevance exceeds the {{ "%g" % explain.percentile }}th
percentile.{% endif %}
{%- endif %}

Software: {{ listed(software) }}.
"""
_CHOICE = {
    "best-validation": "whose network had the lowest validation loss",
    "darts": "to which differentiable search gave most weight on validation pairs, by zero order "
    f"({cite('liu2019darts')})",
}


_FORM = {"fixed": "", "normalised": ", with layer normalisation and a trained scale"}
_START = {
    "mean": "its offset starts at the mean of the training volumes",
    "zero": "its offset starts at zero",
}


def methods_text(cfg: Config, facts: Facts) -> str:
    """Describe what was run: paragraphs of plain text with a blank line between them.

    ``reference_list`` and ``bibliography`` of the text give the works that it cites.
    """
    networks = facts["networks"]
    kinds = {network["kind"] for network in networks}
    described = [f"{one['title']} ({_count(one['parameters'], 'weight')})" for one in networks]
    epochs = sorted({network["epochs"] for network in networks})
    words = {
        **facts,
        "described": _listed(described),
        "kinds": kinds,
        "has_fourier": any(network["fourier"] for network in networks),
        "has_posterior": any(network["posterior"] for network in networks),
        "has_own": kinds != {"transcoder"},
        "epochs": f"{epochs[0]} to " * (len(epochs) > 1) + _count(epochs[-1], "epoch"),
        "best_epochs": [str(network["best_epoch"]) for network in networks],
        "choice": _CHOICE,
        "form": _FORM,
        "start": _START,
        "cfg": cfg,
        "stft": cfg.spectrogram,
        "fit": cfg.train,
        "evaluate": cfg.evaluate,
        "explain": cfg.explain,
        "repetition_times": [f"{tr:g}" for tr in facts["tr"]],
        "delays": [f"{delay:g}" for delay in facts["delays"]],
        "kept_grid": set(facts["native_grids"]) == {facts["grid"]},
        "grid": _size(*facts["grid"]),
        "native_grids": [_size(*grid) for grid in facts["native_grids"]],
        "software": [f"{name} {version}" for name, version in facts["software"].items()],
    }
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701  # not HTML; pages escape it
    time = partial(_time, unit=cfg.window.unit)
    environment.globals.update(cite=cite, count=_count, listed=_listed, size=_size, time=time)
    environment.globals.update(before=partial(_before, unit=cfg.window.unit), scaling=_scaling)
    text = environment.from_string(_TEXT).render(words)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def applied_text(model: str, dataset: str, montages: Sequence[str], times: str) -> str:
    """Say in words how a saved model was applied to EEG alone.

    Parameters
    ----------
    model, dataset
        Its name, and what it was trained on.
    montages
        Where its electrodes came from, run by run, in words.
    times
        When volumes were synthesised, in words.
    """
    return (
        f"EEG was taken from a BIDS dataset ({cite('gorgolewski2016', 'pernet2019')}) with PyBIDS "
        f"({cite('yarkoni2019')}), MNE-BIDS ({cite('appelhoff2019')}) and MNE-Python "
        f"({cite('gramfort2013')}). Electrodes were found by name, else by place, else "
        f"interpolated by spherical splines ({cite('perrin1989')}): {'; '.join(montages)}."
        f"\n\nThe model {model}, trained on simultaneous EEG and BOLD of {dataset} "
        f"({cite('calhas2022')}), synthesised {times}, each from the EEG before it, transformed "
        "and scaled as in training. No BOLD was looked at. Synthesised volumes lie on the grid and "
        "in the space of the BOLD of the training, and not in that of the participant's own head."
    )


def _count(number: int, noun: str) -> str:
    plural = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _time(amount: float, unit: str) -> str:
    if unit == "s":
        return f"{amount:g} s"
    return f"{amount:g} repetition time{'' if amount == 1 else 's'}"


def _before(amount: float, unit: str) -> str:
    return f"t − {_time(amount, unit)}" if amount else "t"


def _scaling(cfg: ScaleConfig) -> str:
    """Tell what EEG and BOLD were standardised by."""
    eeg = {
        "training": "freed of its mean by electrode and frequency and divided by one standard "
        "deviation, both of the training pairs",
        "run": "freed of the mean of its run by electrode and frequency and divided by one "
        "standard deviation of the training pairs",
        "electrodes": "standardised across electrodes at each frequency and window",
    }[cfg.eeg]
    bold = {
        "training": "of the training pairs",
        "participant": "of each participant, test volumes included, in whose standard deviation "
        "errors are told",
    }[cfg.bold]
    text = f"EEG was {eeg}; BOLD was standardised by one mean and one standard deviation {bold}."
    if cfg.target == "deviation":
        text += " What was predicted is how volumes deviate from the mean of their run."
    return text


def _listed(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def _size(*extents: int) -> str:
    return "×".join(map(str, extents))
