"""Reading a ``nextflow.config``, and what a Snakemake profile can say of it. Pure.

``syntax`` takes the text apart, ``expressions`` reads the values, ``translation`` makes settings.
The package groovy-parser would read all of Groovy, but takes 60 ms a line, tells no lines of what it
found, and gives up a whole file for one placeholder like ``<YOUR ROLE>``.
"""
