"""From recordings to pairs of EEG spectrograms and BOLD volumes."""
