#!/usr/bin/env python3
"""Run the app from a checkout or a container, as the BIDS Apps convention asks."""

from bids_eeg2fmri.cli import run

if __name__ == "__main__":  # spawned workers import this file
    run()
