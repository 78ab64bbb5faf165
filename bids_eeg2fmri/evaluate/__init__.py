"""Scores, baselines and nulls."""
