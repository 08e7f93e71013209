"""Snakemake's logger. As in a script of Snakemake's own, nobody has set it up: what is a warning or
worse goes to the standard error."""

import logging

import hutchbatch_script

logger = logging.getLogger("snakemake.logging")


def __getattr__(name):
    return hutchbatch_script.missing(__name__, name)
