"""Translates a ``nextflow.config`` into settings of a Snakemake profile. Pure.

``tokens`` and ``syntax`` read the text, ``expressions`` evaluates the values, ``config`` puts both
together; ``translation`` turns them into what is ``carried`` over, with ``targets``,
``directives``, ``retries``, ``container_options`` and ``counterparts``.

Why the grammar is no library's (measured on 770 public configs, 40,735 lines, mostly nf-core's):
``syntax`` and ``tokens`` find the settings that Groovy's own parser finds, in all of the 767 files
that it reads, in 2.1 s. A grammar for lark (LALR, 60 lines for some 300 here) took 9.5 s, agreed on
763 files and refused the other 7 whole: a parser's error loses the rest of a file, where here a
line says what was skipped. groovy-parser reads all of Groovy, but needs 60 ms a line, reports no
line numbers, and rejects a whole file for one placeholder like ``<YOUR ROLE>``.
"""
