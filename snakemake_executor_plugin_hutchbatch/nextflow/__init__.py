"""Translates a ``nextflow.config`` into settings of a Snakemake profile. Pure.

``tokens`` and ``syntax`` parse the text, ``expressions`` evaluates the values, ``translation``
turns them into what is ``carried`` over. The package groovy-parser reads all of Groovy, but needs
60 ms a line, reports no line numbers, and rejects a whole file for one placeholder like ``<YOUR
ROLE>``.
"""
