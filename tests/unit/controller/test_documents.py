"""What a detached run says of itself is read back as it was written, and nothing else is."""

import json
from dataclasses import replace

import pytest

from snakemake_executor_plugin_hutchbatch.controller import documents
from snakemake_executor_plugin_hutchbatch.controller.documents import (
    Cancel,
    DocumentError,
    Outcome,
    Request,
)

ID = "20260801-120000-abcdef"
REQUEST = Request(
    id=ID,
    user="jdoe",
    created=1.8e9,
    host="laptop",
    folder="/home/jdoe/project",
    arguments=("--jobs", "10", "a 'quoted' näme"),
    code="0" * 64,
    storage_prefix="s3://b/results",
    region="us-west-2",
    job_name="jdoe-controller-1",
    queue="default",
    directory="workflow/.test",
    attempts=10,
    variables={"SNAKEMAKE_HUTCHBATCH_POLICY": "cost"},
)


def test_documents_come_back_as_they_were_written():
    cancel = Cancel(ID, "jdoe", "laptop", 1.8e9)
    outcome = Outcome(ID, 1, 1.8e9, 3, cancelled_by="jdoe")
    assert documents.request(documents.dumps(REQUEST), ID) == REQUEST
    assert documents.cancel(documents.dumps(cancel), ID) == cancel
    assert documents.outcome(documents.dumps(outcome), ID) == outcome


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "another"},
        {"version": 2},
        {"arguments": "--jobs"},
        {"arguments": [1]},
        {"code": "../sources"},
        {"directory": "a/../.."},
        {"directory": "/etc"},
        {"directory": ""},
        {"workdir": "../x"},
        {"attempts": 0},
        {"attempts": True},
        {"created": -1},
        {"user": "--option"},
        {"variables": {"A": 1}},
        {"folder": "a\0b"},
        {"more": 1},
    ],
)
def test_anything_else_is_refused(wrong):
    content = {**json.loads(documents.dumps(REQUEST)), **wrong}
    with pytest.raises(DocumentError):
        documents.request(json.dumps(content).encode(), ID)


def test_an_exit_code_is_one_that_a_process_can_have():
    for code in (-1, 256):
        with pytest.raises(DocumentError):
            documents.outcome(documents.dumps(Outcome(ID, code, 1.0, 1)), ID)


def test_what_could_not_be_read_again_is_not_written():
    for folder in ("/home/caf\udce9", "x" * documents.MOST_BYTES):
        with pytest.raises(DocumentError):
            documents.dumps(replace(REQUEST, folder=folder))
