"""The knobs: one frozen dataclass for each stage. The defaults are the paper's where it names one.

A stage sees only its own dataclass; what a stage does not see cannot make its stored results stale.
Settings come, later ones winning, from the defaults, ``--preset``, ``--config FILE.toml``,
``--set`` and options such as ``--epochs``.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ReadConfig:
    """Read recordings from disk."""

    max_bad_channels: float = 0.3
    """Largest share of flat or bad channels that are interpolated; a recording with more is
    refused."""


@dataclass(frozen=True)
class ClockConfig:
    """Tie the EEG clock to the scanner's."""

    trigger: str | None = None
    """Marker that stands for a volume, e.g. ``Response/R128`` or ``R128``; found by itself if not
    given."""
    eeg_onset: float | None = None
    """EEG time of the first stored volume in seconds, where no marker tells it."""
    tolerance: float = 0.01
    """Largest distance of a trigger from the regular grid, in seconds; at least two EEG samples."""
    surplus: int = 2
    """Triggers that may be missing or left over, e.g. from a volume that was never stored."""


@dataclass(frozen=True)
class CleanConfig:
    """Take the scanner's artefacts out of the EEG."""

    method: Literal["auto", "none", "gradient", "gradient+bcg"] = "auto"
    """What is taken out: nothing, the artefact of the gradients, or that of the heart as well, the
    ballistocardiogram; with ``auto`` either where it is found."""
    prominence: float = 10.0
    """How far multiples of the volumes' rate rise above the frequencies beside them, in decibels,
    where ``auto`` takes them for the gradients."""
    averaged: int = 21
    """Volumes, each with its nearest neighbours, whose mean is the template of one's artefact
    (Allen et al. 2000); 1 / averaged of the EEG's power is lost with it."""
    components: int = 4
    """Most shapes in which artefacts of the gradients may differ from their template, as when the
    head moves (Niazy et al. 2005)."""
    locked: float = 0.25
    """Share of the EEG's power that all beats of the heart must have in common for ``auto`` to take
    out its artefact; outside scanners it is below 0.15, with the artefact above 0.5."""
    beat_components: int = 1
    """Shapes in which artefacts of beats may differ from their mean (Niazy et al. 2005). MNE-Python
    takes 4; more than 1 took more of the alpha rhythm than of the artefact
    (``benchmarks/cleaning.py``)."""


@dataclass(frozen=True)
class BoldConfig:
    """Prepare the BOLD of a run before anything is learnt from it."""

    clean: Literal["none", "detrend", "confounds"] = "none"
    """What is regressed out of each voxel: nothing, linear trends, or these and head motion as a
    pipeline has estimated it. Coefficients come from the whole run, test volumes included."""
    motion: Literal[6, 12, 24] = 24
    """Regressors of head motion: translations and rotations, their changes, the squares of both."""
    high_pass: float = 0.0
    """With ``clean``: cosines slower than this are taken out too, in hertz; 0 for none."""
    smoothing: float = 0.0
    """Full width at half maximum of the Gaussian that volumes are smoothed with, in millimetres."""
    units: Literal["scanner", "percent"] = "scanner"
    """Intensities of the scanner, or percent of each voxel's mean over the run; 0 outside the
    brain."""


@dataclass(frozen=True)
class WindowConfig:
    """Choose the stretch of EEG that leads to a volume."""

    start: float = 26.0
    """Time before the volume at which its EEG begins (§4.2 of the paper: 26 s)."""
    stop: float = 6.0
    """Time before the volume at which its EEG ends (§4.2 of the paper: 6 s)."""
    unit: Literal["s", "tr"] = "s"
    """What this section, ``spectrogram.window``, ``spectrogram.hop`` and ``split.gap`` are counted
    in: seconds, or the repetition times of the run, as in the public code."""

    def seconds(self, tr: float) -> float:
        """Tell how long the unit is in a run with this repetition time."""
        return tr if self.unit == "tr" else 1.0


@dataclass(frozen=True)
class SpectrogramConfig:
    """Short-time Fourier transform of the EEG (§4.2 of the paper)."""

    window: float = 2.0
    """Length of the transformed window, in ``window.unit`` (§4.2: 2 s, so that 0.5 Hz can be
    seen)."""
    hop: float = 2.0
    """Time from one window to the next, in ``window.unit``; 2 s gives the ten windows of
    Appendix C."""
    fmin: float = 0.5
    """Lowest frequency kept, in hertz."""
    fmax: float = 67.0
    """Highest frequency kept, in hertz; 0.5–67 Hz at 0.5 Hz makes the 134 bins of Appendix C."""
    bins: int | None = None
    """Most frequencies kept, the lowest ones; by default all up to ``fmax``. The public code keeps
    134 whatever the repetition time: to 62 Hz at 2.16 s, to 105 Hz at 1.28 s."""
    taper: Literal["hann", "boxcar"] = "hann"
    """Taper of each window; the paper names none, the public code uses ``boxcar``."""
    value: Literal["magnitude", "power", "log"] = "magnitude"
    """What is kept of each bin: magnitude (V), power (V²), or the decimal logarithm of the
    power."""


@dataclass(frozen=True)
class GridConfig:
    """Bring BOLD volumes to the model's grid."""

    shape: tuple[int, int, int] | None = None
    """Model grid; by default the native grid, or where that is larger, what fits into
    ``largest``."""
    largest: tuple[int, int, int] = (64, 64, 30)
    """Grid to which larger volumes are reduced by the discrete cosine transform (§4.2 of the
    paper)."""


@dataclass(frozen=True)
class ScaleConfig:
    """Bring EEG and BOLD to the model's units; the paper names no way."""

    eeg: Literal["training", "run", "electrodes"] = "training"
    """What spectrograms are standardised by: the training pairs; the same, but about the mean of
    each run, which with ``spectrogram.value`` at ``log`` takes out what amplifiers, electrodes and
    people multiply EEG by; or as in the public code, at each frequency and window, the electrodes
    themselves, which takes out what all of them share."""
    bold: Literal["training", "participant"] = "training"
    """What volumes are standardised by: one mean and one standard deviation of the training pairs,
    or of all pairs of each participant, as in the public code. The latter looks at the test volumes
    too: it makes RMSE comparable with the paper's, and errs towards the good."""
    target: Literal["volume", "deviation"] = "volume"
    """What networks predict: whole volumes, as in the paper, or how each deviates from the mean of
    its run, to which the training mean is added back. Of volumes, nearly all is anatomy."""


@dataclass(frozen=True)
class SplitConfig:
    """Divide pairs into training, validation and test."""

    test: float = 0.25
    """Share of each task's pairs that is kept for testing: the last ones."""
    valid: float = 0.15
    """Share of each task's pairs that chooses the epoch: those before the test."""
    gap: float | None = None
    """Time left out between the parts, in ``window.unit``; by default ``window.start``, so that no
    EEG is shared."""
    test_participants: float = 0.2
    """Share of the participants held out at group level (§4.2 of the paper: 2 of 10, 4 of 20)."""
    folds: int = 1
    """Divisions of the participants at group level: 1 as in the paper, k for a test of every
    participant once in k parts, 0 for one participant a part."""
    repeats: int = 1
    """Trainings of each model at group level, each with draws of its own."""


@dataclass(frozen=True)
class SearchConfig:
    """Generate encoder architectures (Appendix A of the paper)."""

    eeg_depth: int = 3
    """Largest number of blocks of the EEG encoder (Table 6)."""
    bold_depth: int = 5
    """Largest number of blocks of the BOLD encoder (Table 6)."""
    max_macs: float = 1e8
    """Largest number of multiply–adds of one encoder's forward pass of one sample."""
    max_parameters: float | None = None
    """Largest number of trained weights of one encoder."""
    max_memory: float | None = None
    """Largest memory of one encoder's activations while training, in bytes a sample."""
    choose: Literal["first", "best-validation", "darts"] = "first"
    """How one candidate is chosen: the first that is drawn, the one whose network has the lowest
    validation loss, or the one to which differentiable search (Appendix C) gives most weight."""
    candidates: int = 10
    """Candidates for each encoder, of which one is chosen (Tables 4 and 5)."""
    epochs: int = 10
    """Passes over the training pairs of each candidate (Appendix D)."""
    learning_rate: float = 1e-3
    """Step size of the candidates' training and of their weights (Appendix D)."""
    one_at_a_time: bool = False
    """Whether only one candidate is held in memory; the others wait on disk. Same numbers."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape the network."""

    latent: int = 7
    """K: the latent space is K×K×K (Table 3)."""
    filters: int = 4
    """Channels of each convolution (Table 3)."""
    max_pool: bool = True
    """Whether a max-pool follows each convolution (Table 3)."""
    batch_norm: bool = True
    """Whether batch normalisation follows each convolution (Table 3)."""
    skip: bool = True
    """Whether each block has its second, skipping path (Table 3)."""
    dropout: float = 0.5
    """Dropout of the BOLD latent while training (Table 3)."""
    attention: Literal["softmax", "sparsemax"] = "softmax"
    """What turns products into attention scores, Eq. (3): ``softmax``, or ``sparsemax`` (Martins &
    Astudillo 2016) as in the public code's last version."""
    attention_scale: bool = False
    """Whether these products are divided by √(F·T) first (Vaswani et al. 2017)."""
    fourier: Literal["fixed", "normalised"] = "fixed"
    """Form of the Fourier features: Eq. (2), or the public code's, with a layer normalisation
    before the cosine, a trained scale and no √(2/L)."""
    initialisation: Literal["scaled", "glorot"] = "scaled"
    """How weights are drawn; the paper names no way. ``scaled``: latents begin with about unit
    length and the decoder at zero. ``glorot``: all layers of models (i) to (iv) as Glorot & Bengio
    (2010), uniformly, which the public code inherits from Keras."""
    voxels: Literal["box", "brain"] = "box"
    """What the dense decoder makes: all voxels of the grid, as in the paper, or those that are
    brain in some training run, with the training mean around them. A brain of a quarter of the grid
    makes a quarter of the weights. Equal weights give the brain equal values, but the features no
    longer learn from what surrounds it, so numbers differ."""


@dataclass(frozen=True)
class TrainConfig:
    """Fit the network."""

    epochs: int = 10
    """Passes over the training pairs (Appendix D)."""
    batch_size: int = 4
    """Pairs a step (Table 3)."""
    learning_rate: float = 2.98e-3
    """Step size of Adam (Table 3). Wide dense layers take a share of it, so that their output moves
    by about one step however many inputs they sum (Yang et al. 2021); the paper says nothing."""
    shares: bool = True
    """Whether wide dense layers take such a share; in the public code all take the whole step."""
    weight_decay: float = 4.4e-4
    """Weight decay (Table 3), decoupled from the gradient."""
    regularisation: float = 1.0
    """Weight of the cosine distance Ω between the latents (§4)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the step size goes; the paper names none. ``cosine`` ends at zero, so that the noise of
    the last steps does not hide a BOLD signal of one per cent."""
    start: Literal["mean", "zero"] = "mean"
    """Where the decoder's offset starts: at the training mean volume or at zero. The paper names
    none; from the mean, ten epochs are spent on what the EEG adds."""
    patience: int = 5
    """Epochs without improvement on the validation pairs after which training stops."""
    keep: Literal["best", "last"] = "best"
    """The epoch that is kept: the best on the validation pairs, or the last of all ``epochs``, as
    in the public code, whatever the patience."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Numbers in which the encoders of models (i) to (iv) compute while they are trained:
    ``bfloat16`` has 8 bits where the other has 24. Weights, all after the latents, loss, steps and
    synthesis stay ``float32``. It is for GPUs, where it has not been measured; on a processor it is
    slower."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a model beside its baselines."""

    null_draws: int = 1000
    """Most draws of the nulls that cost no run of the model: orders of blocks, exchanges of EEG
    between participants, and the shifts of the EEG that report and sidecar show; fewer where there
    are fewer. p against shifted EEG counts all shifts, whatever this says."""
    phase_draws: int = 39
    """How often the EEG of each test gets random phases and is given to the model; 0 for never."""
    retrained_draws: int = 0
    """How often each training is repeated with the EEG of every run shifted in time against its
    BOLD; each costs as much as the training itself. 20 or more let p fall below 0.05."""


@dataclass(frozen=True)
class ExplainConfig:
    """Propagate relevance from synthesised volumes back to the EEG (Appendix E of the paper)."""

    pairs: int = 200
    """Most test pairs of a run that are explained, evenly spaced; 0 for no explanation."""
    start: Literal["output", "variance"] = "output"
    """What is explained: the ``output`` itself, as in the paper, where voxels that rise and fall
    cancel out; or its ``variance`` over the pairs, where each voxel counts by how far it is from
    its mean, and the relevances are shares of that variance."""
    epsilon: float = 1e-6
    """Added to the size of each weighted sum, ε of Bach et al. (2015), so that sums near zero share
    little; the paper has none."""
    percentile: float = 99.7
    """Edges of the electrode graph have a larger relevance, of either sign, than this percentage of
    all pairs of electrodes (§6 of the paper)."""


@dataclass(frozen=True)
class ReportConfig:
    """Make the reports."""

    figures: bool = True
    """Whether pages have pictures, each of which stands as a file too. Without, a report takes less
    than a second; ``--reports-only`` draws them later."""


@dataclass(frozen=True)
class OptimiseConfig:
    """Search hyperparameters by Bayesian optimisation (§4.1 and Appendix B of the paper)."""

    iterations: int = 100
    """Evaluations of each phase (§4.1)."""
    parallel: int = 1
    """Evaluations asked for at a time; results depend on it, so it never follows from the number of
    processors."""
    batch_size: int = 64
    """Pairs a step (§4.1)."""
    epochs: int = 10
    """Passes over the training pairs in one evaluation; the paper names none."""
    valid: float = 0.25
    """Share of the participants, or of one participant's pairs, that gives the score (§4.1)."""
    latent: tuple[int, int] = (4, 8)
    """Smallest and largest K that the first phase tries (§4.1)."""
    learning_rate: tuple[float, float] = (1e-10, 1e-2)
    """Smallest and largest step size, drawn log-uniformly (§4.1)."""
    weight_decay: tuple[float, float] = (1e-10, 1e-1)
    """Smallest and largest weight decay, drawn log-uniformly (§4.1)."""


@dataclass(frozen=True)
class ApplyConfig:
    """Apply a saved model to EEG alone."""

    reach: float = 60.0
    """Distance in millimetres from a recorded electrode up to which one of the model's is
    interpolated well enough: of real EEG, band power of electrodes that were left out came back at
    r = 0.74 within 50 to 60 mm, and at 0.59 beyond (``benchmarks/montage.py``)."""
    max_uncovered: float = 0.2
    """Largest share of the model's electrodes that lie further than that from all recorded ones; a
    recording with more is refused. For 64 electrodes, 12 over the whole head leave 0.11 uncovered,
    8 leave 0.27."""
    shifted: float = 0.1
    """Share of the EEG outside the range of the training EEG from which on the report warns; 0.02
    is what training EEG itself has."""


@dataclass(frozen=True)
class Config:
    """All settings."""

    read: ReadConfig = field(default_factory=ReadConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)
    clean: CleanConfig = field(default_factory=CleanConfig)
    bold: BoldConfig = field(default_factory=BoldConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    spectrogram: SpectrogramConfig = field(default_factory=SpectrogramConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    optimise: OptimiseConfig = field(default_factory=OptimiseConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    apply: ApplyConfig = field(default_factory=ApplyConfig)
    models: tuple[str, ...] = ("topo-rff",)
    """Models to be trained; the first one's pictures stand in the reports."""
    seed: int = 0
    """From which every draw is derived."""
