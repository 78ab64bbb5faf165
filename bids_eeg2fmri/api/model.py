"""A saved model in memory, to be applied to EEG in memory."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_eeg2fmri.api.spelling import spell_settings
from bids_eeg2fmri.config import Config
from bids_eeg2fmri.errors import DataWarning, UsageError
from bids_eeg2fmri.jobs import check_open_with_a_model
from bids_eeg2fmri.runtime.threads import limited_threads
from bids_eeg2fmri.settings import override, validate

if TYPE_CHECKING:
    import mne
    import nibabel as nib

    from bids_eeg2fmri.app.predicting import Predicted
    from bids_eeg2fmri.app.saved import SavedModel


@dataclass(frozen=True)
class Model:
    """A trained model; made by :func:`load_model`."""

    folder: Path
    """Where it was read from."""
    _saved: "SavedModel" = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it is called, e.g. ``sub-01_hybrid``."""
        return self._saved.name

    @property
    def verdict(self) -> str:
        """Whether to believe it, in a few words, by its own tests."""
        return self._saved.verdict

    @property
    def reasons(self) -> str:
        """What the verdict rests on, in plain sentences."""
        return self._saved.reasons

    @property
    def channels(self) -> tuple[str, ...]:
        """Its electrodes."""
        return self._saved.channels

    @property
    def tr(self) -> float:
        """Seconds from one volume that it makes to the next."""
        return self._saved.tr

    @property
    def units(self) -> str:
        """Of the BOLD that it makes."""
        return self._saved.units

    @property
    def card(self) -> dict[str, Any]:
        """All that is known of it: settings, training, tests, software."""
        return dict(self._saved.card)

    def predict(
        self,
        raw: "mne.io.BaseRaw",
        *,
        eeg_onset: float | None = None,
        omp_nthreads: int = 2,
        settings: Mapping[str, object] | None = None,
    ) -> "nib.Nifti1Image":
        """Synthesise BOLD from EEG alone, as ``study.apply`` does from a dataset.

        Nobody can tell from EEG alone whether it is right: where the verdict on the model is not
        ``informative``, a warning says so each time.

        Parameters
        ----------
        raw
            EEG with the scanner's artefacts, if any, taken out. Channels marked bad, flat or not
            finite are interpolated; those that measure no scalp do not count.
        eeg_onset
            EEG time in seconds of some volume, where a certain one is wanted.
        omp_nthreads
            Threads; results may differ in the last digits with it.
        settings
            Those that a model leaves open, ``read.*`` and ``apply.*``.

        Returns
        -------
        One volume every ``tr`` seconds, on the grid and in the units of the model's BOLD. Its
        ``extra`` tells ``StartTime``, the first volume's time in seconds since the first sample of
        ``raw``, ``Units``, and ``Model`` with ``ModelVerdict``.

        Raises
        ------
        UsageError
            If ``raw`` is no recording of MNE, or a setting is not open.
        EEGError
            If the EEG is too short, sampled too slowly, or lacks too many electrodes of the model.

        Warns
        -----
        DataWarning
            If the model is not to be relied on, channels were lost, or the EEG is unlike that of
            the training.
        """
        import mne

        from bids_eeg2fmri.app.applying import domain_note
        from bids_eeg2fmri.app.predicting import predict
        from bids_eeg2fmri.bids.read import take_eeg

        if not isinstance(raw, mne.io.BaseRaw):
            raise UsageError(f"raw is a {type(raw).__name__}: give a recording of MNE, mne.io.Raw.")
        config, model = _open_settings(eeg_onset, settings or {}), self._saved
        with limited_threads(omp_nthreads):
            found = predict(model, take_eeg(raw, config.read), config, "EEG")
        for text in (model.caution, domain_note(config.apply, found.outside)):
            if text:
                warnings.warn(text, DataWarning, stacklevel=2)
        return _as_image(model, found)

    def _repr_html_(self) -> str:
        """Show a notebook whether to believe it."""
        from bids_eeg2fmri.report.page import render

        facts = {
            "trained on": self._saved.card["dataset"],
            "electrodes": len(self.channels),
            "volumes": f"{' × '.join(map(str, self._saved.mask.shape))} every {self.tr:g} s",
            "BOLD in": self.units,
        }
        told = {"name": self.name, "verdict": self.verdict, "reasons": self.reasons}
        return render("notebook_model.html.jinja", facts=facts, **told)


def _as_image(model: "SavedModel", found: "Predicted") -> "nib.Nifti1Image":
    """Make an image of synthesised volumes that tells what they are."""
    from bids_eeg2fmri.bids.images import make_image

    image = make_image(found.volumes.transpose(1, 2, 3, 0), model.affine)
    image.header.set_zooms((*image.header.get_zooms()[:3], model.tr))
    image.extra.update(
        StartTime=float(found.clock.onset[0]),
        Units=model.units,
        Model=model.name,
        ModelVerdict=model.verdict,
    )
    return image


def load_model(folder: str | os.PathLike[str], device: str = "auto") -> Model:
    """Load a model that ``participant`` or ``group`` has trained.

    Parameters
    ----------
    folder
        One of ``models/``, e.g. ``out/models/sub-01_hybrid``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``: where it is to be applied.

    Raises
    ------
    MissingInputError
        The folder holds no model.
    DataError
        The file is damaged, or of a version that cannot be applied.
    UsageError
        There is no such device.
    """
    from bids_eeg2fmri.app.saved import open_model
    from bids_eeg2fmri.runtime.workers import choose_device

    path = Path(folder).expanduser()
    return Model(path, open_model(path, choose_device(device, elsewhere=False)[0]))


def _open_settings(eeg_onset: float | None, settings: Mapping[str, object]) -> Config:
    config = validate(override(Config(), [*spell_settings(settings)]))
    check_open_with_a_model(config, Config())
    if eeg_onset is not None:
        config = override(config, [f"clock.eeg_onset={float(eeg_onset)!r}"])
    return config
