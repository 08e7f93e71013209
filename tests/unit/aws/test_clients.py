"""AWS's errors in plain words; patience that ends; calls that keep their distance."""

import pytest
from aws_doubles import Time, refused, retrier
from botocore.exceptions import (
    ClientError,
    ConfigParseError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

from snakemake_executor_plugin_hutchbatch.aws import clients, errors
from snakemake_executor_plugin_hutchbatch.aws.retry import RateLimiter

SENTENCES = [
    (NoCredentialsError(), "aws configure"),
    (ProfileNotFound(profile="doe"), "AWS_PROFILE"),
    (ConfigParseError(path="/home/jdoe/.aws/config"), "/home/jdoe/.aws/config"),
    (ValueError("Invalid endpoint: s3"), "AWS_ENDPOINT_URL"),
    (refused("ExpiredToken"), "have expired"),
    (refused("ExpiredTokenException"), "have expired"),
    (refused("RequestExpired"), "have expired"),
    (refused("UnrecognizedClientException", 403), "does not accept your credentials"),
    (refused("InvalidAccessKeyId", 403), "does not accept your credentials"),
    (refused("SignatureDoesNotMatch", 403), "does not accept your credentials"),
    (refused("AccessDeniedException", 403), "SciComp"),
    (refused("ClientException", 400, "queue is odd"), "queue is odd"),
    (EndpointConnectionError(endpoint_url="https://x"), "could not be reached"),
]


@pytest.mark.parametrize(("error", "hint"), SENTENCES)
def test_each_error_is_a_sentence_that_says_what_to_do(error, hint):
    sentence = errors.explain(error, "reading the Batch queues")
    assert hint in sentence
    assert "\n" not in sentence


def failing(errors, answer="done"):
    left = list(errors)

    def call():
        if left:
            raise left.pop(0)
        return answer

    return call


def test_throttling_5xx_and_a_dead_network_are_waited_out():
    time, said = Time(), []
    errors = [
        refused("TooManyRequestsException", 429),
        refused("ServerException", 500),
        ReadTimeoutError(endpoint_url="https://x"),
        EndpointConnectionError(endpoint_url="https://x"),
    ]
    assert retrier(time, said).call("asking", failing(errors)) == "done"
    assert len(time.slept) == 4
    assert time.slept == sorted(time.slept)
    assert said == []


def test_a_refusal_is_not_repeated():
    time = Time()
    with pytest.raises(ClientError):
        retrier(time, []).call("asking", failing([refused("ClientException")]))
    assert time.slept == []


def test_patience_ends_and_said_so_once_on_the_way():
    time, said = Time(), []
    with pytest.raises(ClientError):
        retrier(time, said).call("asking", failing([refused("x", 503)] * 1000))
    assert 600 < time.now < 700
    assert len(said) == 1
    assert said[0].endswith("Still trying.")


def test_paced_calls_keep_their_distance():
    time = Time()
    limiter = RateLimiter(10, time.clock, time.sleep)
    for _ in range(21):
        limiter.wait()
    assert time.now == pytest.approx(2.0)


def test_a_call_after_a_pause_need_not_wait():
    time = Time()
    limiter = RateLimiter(10, time.clock, time.sleep)
    limiter.wait()
    time.now = 5.0
    limiter.wait()
    assert time.slept == []


@pytest.mark.parametrize(
    ("redirected", "asked"),
    [((), True), (("BATCH",), False), (("BATCH", "SERVICE_QUOTAS"), True)],
)
def test_quotas_are_asked_of_the_account_whose_batch_it_is(monkeypatch, redirected, asked):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BATCH", "AWS_ENDPOINT_URL_SERVICE_QUOTAS"):
        monkeypatch.delenv(name, raising=False)
    for name in redirected:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", "http://127.0.0.1:9")
    made = clients.clients(clients.session("us-west-2"))
    assert (made.quotas() is not None) is asked
