"""Measures gwproxy beside its neighbours, as ratios within adjacent rounds (see README.md)."""
