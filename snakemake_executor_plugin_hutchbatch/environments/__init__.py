"""Conda environments of a run: locked, built once, waited for."""
