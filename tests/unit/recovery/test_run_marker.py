"""What looking for other runs shows of one's own permissions."""

from aws_doubles import Time, refused, retrier

from snakemake_executor_plugin_hutchbatch.record.schema import Run
from snakemake_executor_plugin_hutchbatch.recovery.run_marker import Presence


class Bucket:
    """Has no marks, or does not let them be listed."""

    def __init__(self, error=None):
        self.error = error

    def list_objects_v2(self, **_):
        if self.error:
            raise self.error
        return {}


def presence(bucket):
    run = Run("20261130-120000-abcdef", 1.0, "jdoe", "", "host", 5, 1.0, work_prefix="s3://b/w/")
    return Presence(bucket, run, retrier(Time(), []))


def test_who_may_not_list_marks_gets_no_statuses_that_only_a_listing_shows():
    may, may_not = presence(Bucket()), presence(Bucket(refused("AccessDenied", 403)))
    assert (may.others(), may_not.others()) == ([], [])
    assert (may.may_list, may_not.may_list) == (True, False)
