"""A clock that tests turn, and AWS's refusals."""

from botocore.exceptions import ClientError

from snakemake_executor_plugin_hutchbatch.aws.retry import Retrier


def refused(code, status=400, message="no"):
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},
        },
        "DescribeJobQueues",
    )


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def retrier(time, said, limit=600.0):
    return Retrier(said.append, limit, time.clock, time.sleep, lambda low, high: high)
