"""Reading a ``nextflow.config``, and what a Snakemake profile can say of it. Pure.

``tokens`` and ``syntax`` take the text apart, ``expressions`` reads the values, ``translation``
makes of them what is ``carried`` over. The package groovy-parser reads all of Groovy, but takes
60 ms a line, tells no lines of what it found, and gives up a whole file for one placeholder like
``<YOUR ROLE>``.
"""
