"""Divide recordings into what is learnt from and what is predicted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bids_eeg2fmri.config import Config, SpectrogramConfig, WindowConfig
from bids_eeg2fmri.preprocess.pairs import make_pairs
from bids_eeg2fmri.train.splits import Index, Split, hold_back, split_in_time
from bids_eeg2fmri.types import Pairs

from .record import Recording

_PAIRED: dict[tuple[str, WindowConfig, SpectrogramConfig], Pairs] = {}


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
    """Pair recordings and divide them: one in time, of several each is held out once."""
    pairs = [_pair(recording, config) for recording in recordings]
    onsets, gap = [p.onset for p in pairs], config.window.start
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
    """Pair a recording; its EEG is the same whatever BOLD follows it, and is transformed once."""
    key = (recording.name, config.window, config.spectrogram)
    if key not in _PAIRED:
        given = (recording.eeg, recording.bold, recording.clock, recording.mask)
        _PAIRED[key] = make_pairs(*given, recording.mask.shape, *key[1:], recording.name)
    known = _PAIRED[key]
    volumes = np.moveaxis(recording.bold.data, -1, 0)[known.volume]
    return replace(known, bold=np.ascontiguousarray(volumes))
