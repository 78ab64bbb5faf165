"""What is simulated: sizes, sites, rhythms and the brain regions that follow them."""

from dataclasses import dataclass

from bids_eeg2fmri.errors import UsageError

_IN_ORDER = """
Fz Oz Cz Pz Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 FC1 FC2 CP1 CP2 FC5 FC6 CP5 CP6 TP9
TP10 POz F1 F2 C1 C2 P1 P2 AF3 AF4 FC3 FC4 CP3 CP4 PO3 PO4 F5 F6 C5 C6 P5 P6 AF7 AF8 FT7 FT8 TP7 TP8
PO7 PO8 FT9 FT10 Fpz CPz AFz
"""
SITES = tuple(_IN_ORDER.split())
"""Electrodes of the 10-10 system in the order in which they are used: few still cover the head."""


@dataclass(frozen=True)
class Region:
    """A sphere of brain whose BOLD signal follows the power of one EEG rhythm."""

    name: str
    """Name of the region."""
    centre: tuple[float, float, float]
    """MNI152 coordinates in millimetres."""
    radius: float
    """Millimetres; a grid too coarse to have a voxel within takes the nearest one."""
    rhythm: str
    """Name of the rhythm."""
    electrodes: tuple[str, ...]
    """Where the rhythm is strongest and its power is taken; those not recorded are left out."""
    band: tuple[float, float]
    """Lower and upper edge of the rhythm in hertz."""
    amplitude: float
    """Root mean square of the rhythm where it is strongest, in volts."""
    weight: float
    """Correlation of BOLD with the driver, as a multiple of ``SimulationConfig.coupling``."""


REGIONS = (
    Region(
        name="occipital",
        centre=(0.0, -84.0, 6.0),
        radius=45.0,
        rhythm="alpha",
        electrodes=("O1", "O2", "Oz"),
        band=(8.0, 12.0),
        amplitude=20e-6,
        weight=-1.0,
    ),
    Region(
        name="medial frontal",
        centre=(0.0, 36.0, 32.0),
        radius=45.0,
        rhythm="theta",
        electrodes=("Fz", "FC1", "FC2"),
        band=(4.0, 7.0),
        amplitude=10e-6,
        weight=0.8,
    ),
)
"""Alpha lowers occipital BOLD, as at rest; midline theta is made to raise medial frontal BOLD."""


@dataclass(frozen=True)
class SimulationConfig:
    """Size, coupling and noise of a simulated dataset.

    Raises
    ------
    UsageError
        If a value cannot be simulated.
    """

    participants: int = 4
    """How many people; each is the same however many follow."""
    volumes: int = 300
    """BOLD volumes of each participant, at least 10."""
    tr: float = 2.0
    """Repetition time in seconds."""
    grid: tuple[int, int, int] = (16, 18, 14)
    """BOLD voxels along each axis; they always cover the whole brain."""
    channels: int = 30
    """Scalp electrodes, the first ones of ``SITES``; one ECG channel comes on top."""
    sfreq: float = 200.0
    """EEG sampling rate in hertz, at least 100."""
    coupling: float = 0.6
    """R: correlation of a voxel, drift apart, with its noise-free driver; 0 for a null dataset."""
    seed: int = 0
    """From which every draw is derived."""
    envelope_time: float = 12.0
    """Autocorrelation time of the log-envelope in seconds, as alpha waxes and wanes at rest."""
    envelope_sd: float = 0.5
    """Standard deviation of the logarithm of a rhythm's amplitude."""
    lead: float = 33.0
    """Least EEG before the first volume in seconds (the HRF is 32 s long); up to 10 s are added."""
    noise: float = 0.0175
    """Standard deviation of a voxel, drift apart, as a share of its mean."""
    noise_time: float = 2.0
    """Time in seconds over which the autocorrelation of the BOLD noise falls to 1/e."""
    noise_fwhm: float = 6.0
    """Full width at half maximum of the spatial smoothness of the BOLD noise, in millimetres."""
    drift: float = 0.005
    """Standard deviation over voxels of the slow drift's size, as a share of the voxel's mean."""

    def __post_init__(self) -> None:
        wrong = {
            f"{self.participants} participants: give at least 1": self.participants < 1,
            f"{self.volumes} volumes: give at least 10": self.volumes < 10,
            f"A TR of {self.tr:g} s: give a positive number of seconds": not 0 < self.tr < 60,
            f"A grid of {self.grid}: give three positive numbers of voxels": min(self.grid) < 1,
            f"{self.channels} channels: give 2 to {len(SITES)}": not 2
            <= self.channels
            <= len(SITES),
            f"{self.sfreq:g} Hz: sample the EEG at 100 Hz or more": not 100 <= self.sfreq <= 1e5,
            f"A coupling of {self.coupling:g}: give 0 to 1": not 0 <= self.coupling <= 1,
            f"A seed of {self.seed}: give 0 or more": self.seed < 0,
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise UsageError(f"Cannot simulate. {message}.")

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the scalp electrodes."""
        return SITES[: self.channels]
