"""Splitting pairs and fitting networks to them."""
