import numpy as np
import torch
from test_fit import CHOSEN, CONFIG, RUNS, SCALE, TRAIN, VALID, begin, losses, same_weights

from bids_eeg2fmri.train.examples import Reconstructions
from bids_eeg2fmri.train.fit import fit, synthesise
from bids_eeg2fmri.train.resident import keep_on_gpu, reside

CPU = torch.device("cpu")


def test_resident_examples_are_the_same_however_they_are_moved(monkeypatch):
    monkeypatch.setattr("bids_eeg2fmri.train.resident.BLOCK", 4)
    chosen = np.array([10, 0, 14, 3])
    for examples in (TRAIN, Reconstructions(RUNS, CHOSEN, SCALE)):
        resident = reside(examples, CPU)
        assert len(resident) == len(examples)
        for kept, read in zip(
            resident.take(chosen, "cpu"), examples.take(chosen, "cpu"), strict=True
        ):
            assert torch.equal(kept, read)


def test_a_training_on_resident_examples_is_the_same():
    read, kept = begin(), begin()
    list(fit(read, TRAIN, VALID, CONFIG, seed=1))
    list(fit(kept, reside(TRAIN, CPU), reside(VALID, CPU), CONFIG, seed=1))
    assert losses(read.history) == losses(kept.history)
    assert same_weights(read, kept)
    volumes = [np.concatenate([*synthesise(kept.model, e)]) for e in (VALID, reside(VALID, CPU))]
    np.testing.assert_array_equal(*volumes)


def test_a_processor_reads_its_examples_from_disk():
    assert keep_on_gpu(TRAIN, CPU) is TRAIN
