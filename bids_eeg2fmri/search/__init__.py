"""Choosing architectures and hyperparameters."""
