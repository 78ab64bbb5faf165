"""Divide recordings into what is learnt from and what is predicted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bids_eeg2fmri.config import Config
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.train.splits import Index, Split, hold_back, split_in_time
from bids_eeg2fmri.types import Pairs

from .record import Recording


@dataclass(frozen=True)
class Task:
    """What is learnt from and what is predicted."""

    recordings: Sequence[Recording]
    pairs: Sequence[Pairs]
    split: Split
    config: Config
    gap: float
    seed: int

    @property
    def tested(self) -> Iterator[tuple[Recording, Pairs, Index, Index]]:
        """Go through the recordings with test pairs, with their training and test pairs."""
        parts = zip(self.recordings, self.pairs, self.split.train, self.split.test, strict=True)
        return (part for part in parts if len(part[-1]))


def prepare(recordings: Sequence[Recording], config: Config, seed: int) -> Iterator[Task]:
    """Pair recordings and divide them.

    One is divided in time, as the program does. Of several each is held out once, and the last part
    of each other validates, where the program sets one of them aside.
    """
    pairs = [_pair(recording, config) for recording in recordings]
    onsets, unit = [p.onset for p in pairs], config.window.seconds(recordings[0].clock.tr)
    gap = unit * (config.window.start if config.split.gap is None else config.split.gap)
    if len(pairs) == 1:
        split = split_in_time(onsets, ["rest"], config.split, gap)
        yield Task(recordings, pairs, split, config, gap, seed)
        return
    for held in range(len(pairs)):
        some, nothing = [np.arange(len(onset)) for onset in onsets], np.arange(0)
        train, valid = hold_back(onsets, config.split.valid, gap)
        train, valid, test = (
            tuple(nothing if (i == held) != is_test else part[i] for i in range(len(pairs)))
            for part, is_test in ((train, False), (valid, False), (some, True))
        )
        yield Task(recordings, pairs, Split(train, valid, test), config, gap, seed)


def _pair(recording: Recording, config: Config) -> Pairs:
    """Pair a recording; volumes are those recorded, as rounding would blur the maps."""
    given = (recording.eeg, recording.bold, recording.clock, recording.mask)
    settings = (config.window, config.spectrogram)
    pairs = make_pairs(*given, recording.mask.shape, *settings, recording.name)
    volumes = np.moveaxis(recording.bold.data, -1, 0)[pairs.volume]
    return replace(pairs, bold=np.ascontiguousarray(volumes))
