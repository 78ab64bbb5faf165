"""Learn to synthesise fMRI from simultaneous EEG, and say honestly how good it is.

Five lines in a notebook::

    from bids_eeg2fmri import Study

    study = Study("bids", "out", models=["hybrid"])
    results = study.participant("01")
    results.scores

Names are loaded when they are asked for; ``__init__.pyi`` lists them.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("bids_eeg2fmri")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
