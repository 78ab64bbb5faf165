"""Choosing architectures."""
