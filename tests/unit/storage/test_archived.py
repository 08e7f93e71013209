"""Which inputs are archived, from what S3 lists and says of each."""

import pytest

from snakemake_executor_plugin_hutchbatch.storage import archived
from snakemake_executor_plugin_hutchbatch.storage.archived import Archived, find, sentence
from snakemake_executor_plugin_hutchbatch.storage.object_cache import Object

DAY = 24 * 3600


class S3:
    """Answers HEAD, and counts."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def head_object(self, Bucket, Key):
        self.asked.append(Key)
        return self.answers[Key]


def listed(storage_class, age=0):
    return Object(1, 1000 * DAY - age, '"e"', storage_class=storage_class)


def found(answer, listed_as="GLACIER", age=0):
    s3 = S3(k=answer)
    return find(s3, [("s3://b/k", listed(listed_as, age))], lambda: 1000 * DAY), s3.asked


@pytest.mark.parametrize(
    ("answer", "where", "coming"),
    [
        ({"StorageClass": "GLACIER"}, "GLACIER", False),
        (
            {"StorageClass": "DEEP_ARCHIVE", "Restore": 'ongoing-request="true"'},
            "DEEP_ARCHIVE",
            True,
        ),
        (
            {"StorageClass": "INTELLIGENT_TIERING", "ArchiveStatus": "DEEP_ARCHIVE_ACCESS"},
            "DEEP_ARCHIVE_ACCESS",
            False,
        ),
    ],
)
def test_an_archived_object_is_found(answer, where, coming):
    assert found(answer, "INTELLIGENT_TIERING", 91 * DAY)[0] == [
        Archived("s3://b/k", where, coming)
    ]


def test_a_restored_copy_can_be_read():
    restored = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2040 00:00:00 GMT"'
    assert found({"StorageClass": "GLACIER", "Restore": restored})[0] == []


def test_only_what_may_be_archived_is_asked_about():
    assert found({}, "")[1] == found({}, "STANDARD_IA")[1] == []
    assert found({}, "INTELLIGENT_TIERING", 89 * DAY)[1] == []
    assert found({}, "INTELLIGENT_TIERING", 91 * DAY)[1] == ["k"]


def test_the_sentence_says_how_to_restore():
    text = sentence([Archived("s3://b/a b", "GLACIER")])
    assert "s3://b/a b (GLACIER)" in text
    assert "restore-object --bucket b --key 'a b' --restore-request Days=7" in text
    # There the copy is not for some days: the object itself comes back.
    assert "--restore-request '{}'" in sentence([Archived("s3://b/a", "ARCHIVE_ACCESS")])
    assert "under way" in sentence([Archived("s3://b/a", "GLACIER", True)])
    many = [Archived(f"s3://b/{n}", "GLACIER") for n in range(archived.EXAMPLES + 4)]
    assert "and 4 more are archived" in sentence(many)
