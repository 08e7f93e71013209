"""A script's object as the controller writes it and a job reads it."""

import json
import zlib

from snakemake_executor_plugin_hutchbatch.software.frames import packed


def test_names_that_are_no_utf_8_are_read_as_they_were_written():
    pieces = ["setwd('/data/\udce9')", 0, "é"]
    held = json.loads(zlib.decompress(packed(pieces, {})).decode("utf-8", "surrogatepass"))
    assert held["pieces"] == pieces
