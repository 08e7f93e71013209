"""TLS, AWS's own addresses, proxies, wrong regions and wrong clocks, through the real command."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.credentials import Credentials
from botocore.httpsession import ProxyConfiguration
from botocore.utils import get_environ_proxies
from hypothesis import given
from hypothesis import strategies as st

from snakemake_executor_plugin_hutchbatch.planning import supervisor_bundle
from snakemake_executor_plugin_hutchbatch.supervisor import connection
from snakemake_executor_plugin_hutchbatch.supervisor.s3 import S3
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import (
    Input,
    Output,
    Step,
    dumps,
    load_status,
    status_in,
)

from .conftest import ACCESS, BUCKET, REGION, SECRET, Container, Ended, Store
from .test_s3 import Role
from .tiny import TinyS3
from .tls import Authority, HttpProxy, TlsFront

NAME = "odd ü/#+%41'\"&=;?~ [x]"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def aws(tiny: TinyS3, authority: Authority) -> Iterator[TlsFront]:
    """S3 as AWS has it: each bucket a host, TLS, no endpoint to set."""
    hosts = [f"s3.{region}.amazonaws.com" for region in ("us-west-2", "eu-west-1")]
    front = TlsFront(authority.context(*hosts, *("*." + host for host in hosts)), tiny.address)
    yield front
    front.close()


def proxy_to(front: TlsFront, word: str = "") -> HttpProxy:
    """The only way to AWS's names on a machine without them: the client's own proxy support."""
    hosts = [
        f"{bucket}s3.{region}.amazonaws.com:443"
        for bucket in ("", BUCKET + ".")
        for region in ("us-west-2", "eu-west-1")
    ]
    return HttpProxy(dict.fromkeys(hosts, front.address), word)


def run(tiny: TinyS3, scratch: Path, bucket: str = BUCKET, **environ: str) -> Ended:
    """A task with one small and one large file each way."""
    base = f"s3://{bucket}/"
    container = Container(Store(None, ""), "", scratch)
    task = container.task(
        inputs=(Input(base + NAME, "a"), Input(base + "big", "b")),
        steps=(
            Step("x", "cp a A; cp b B", outputs=(Output("A", base + "A"), Output("B", base + "B"))),
        ),
    )
    task = task.__class__(**{**task.__dict__, "status": base + "status/"})
    big = os.urandom(1024 * 1024) * 70
    tiny.objects[f"/{bucket}/{NAME}"] = b"small"
    tiny.objects[f"/{bucket}/big"] = big
    text = tiny.objects[f"/{bucket}/task"] = dumps(task).encode()
    supervisor = f"supervisor/{supervisor_bundle.bundle_sha256()}"
    tiny.objects[f"/{bucket}/{supervisor}"] = supervisor_bundle.bundle()
    made = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_BATCH_JOB_ID": "j",
        "HUTCHBATCH_REGION": REGION,
        "HUTCHBATCH_TASK": base + "task",
        "HUTCHBATCH_TASK_SHA256": hashlib.sha256(text).hexdigest(),
        "HUTCHBATCH_SUPERVISOR": base + supervisor,
        **environ,
    }
    command = supervisor_bundle.container_command(container.cli_prefix)
    ended = subprocess.run(command, env=made, capture_output=True, text=True, check=False)
    stored = tiny.objects.get(f"/{bucket}/status/j.1.json")
    status = load_status(stored.decode()) if stored else None
    if ended.returncode == 0:
        assert tiny.objects[f"/{bucket}/A"] == b"small"
        assert tiny.objects[f"/{bucket}/B"] == big
    return Ended(ended.returncode, ended.stdout, ended.stderr, status)


def test_a_task_runs_over_tls_by_path(tiny: TinyS3, authority: Authority, tmp_path: Path) -> None:
    front = TlsFront(authority.context("127.0.0.1"), tiny.address)
    ended = run(
        tiny,
        tmp_path,
        AWS_ENDPOINT_URL_S3="https://" + front.address,
        AWS_CA_BUNDLE=str(authority.ca),
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.status is not None
    front.close()


@pytest.mark.parametrize("bucket", [BUCKET, "with.dots"])
def test_a_task_runs_at_awss_own_addresses_with_a_roles_token(
    tiny: TinyS3, aws: TlsFront, authority: Authority, tmp_path: Path, bucket: str
) -> None:
    tiny.credentials = Credentials(ACCESS, SECRET, "token/+=")
    proxy = proxy_to(aws)
    ended = run(
        tiny,
        tmp_path,
        bucket,
        HTTPS_PROXY="http://" + proxy.address,
        AWS_CA_BUNDLE=str(authority.ca),
        AWS_SESSION_TOKEN="token/+=",
    )
    assert (ended.code, ended.err) == (0, "")
    host = f"{bucket}.s3" if bucket == BUCKET else "s3"
    assert set(proxy.seen) == {f"CONNECT {host}.us-west-2.amazonaws.com:443"}
    proxy.close()


def test_a_bucket_of_another_region_is_found_by_its_redirect(
    tiny: TinyS3, aws: TlsFront, authority: Authority, tmp_path: Path
) -> None:
    tiny.region = "eu-west-1"
    proxy = proxy_to(aws)
    ended = run(
        tiny, tmp_path, https_proxy="http://" + proxy.address, AWS_CA_BUNDLE=str(authority.ca)
    )
    assert (ended.code, ended.err) == (0, "")
    assert any("eu-west-1" in line for line in proxy.seen)
    proxy.close()


def test_a_bucket_whose_regions_point_at_each_other_for_a_while_is_found(
    tiny: TinyS3, aws: TlsFront, authority: Authority, tmp_path: Path
) -> None:
    left = [5]

    def lead_on(method: str, path: str) -> tuple[int, str, dict[str, str]] | None:
        if not path.endswith("/task") or not left[0]:
            return None
        left[0] -= 1
        other = ("us-west-2", "eu-west-1")[left[0] % 2]
        return 301, "PermanentRedirect", {"x-amz-bucket-region": other}

    tiny.refuse = lead_on
    proxy = proxy_to(aws)
    ended = run(
        tiny, tmp_path, https_proxy="http://" + proxy.address, AWS_CA_BUNDLE=str(authority.ca)
    )
    assert (ended.code, ended.err) == (0, "")
    proxy.close()


@pytest.mark.parametrize("kind", ["authority", "name"])
def test_a_certificate_that_is_not_trusted_ends_the_job_at_once(
    tiny: TinyS3, authority: Authority, tmp_path: Path, kind: str
) -> None:
    front = TlsFront(
        authority.context("127.0.0.1" if kind == "authority" else "elsewhere.org"), tiny.address
    )
    trust = {} if kind == "authority" else {"AWS_CA_BUNDLE": str(authority.ca)}
    ended = run(tiny, tmp_path, AWS_ENDPOINT_URL_S3="https://" + front.address, **trust)
    assert ended.code == 210
    assert "the certificate of 127.0.0.1 is not trusted" in ended.err
    _, record = ended.err.splitlines()
    reported = status_in([record], "j", 1)
    assert reported is not None
    assert (reported.cause, reported.problem) == ("STAGE_IN", "setup")
    assert tiny.seen == []
    front.close()


def test_a_file_of_authorities_that_is_not_there_is_named(tiny: TinyS3, tmp_path: Path) -> None:
    ended = run(
        tiny, tmp_path, AWS_ENDPOINT_URL_S3="https://127.0.0.1:1", AWS_CA_BUNDLE="/not/there"
    )
    assert ended.code == 210
    assert "AWS_CA_BUNDLE is /not/there" in ended.err


def test_a_proxy_is_taken_for_plain_http_and_learns_who_asks(tiny: TinyS3, tmp_path: Path) -> None:
    proxy = HttpProxy({"s3.example:80": tiny.address, "s3.example": tiny.address}, "me:p@ss")
    ended = run(
        tiny,
        tmp_path,
        AWS_ENDPOINT_URL="http://s3.example",
        HTTP_PROXY=f"http://me:p%40ss@{proxy.address}",
    )
    assert (ended.code, ended.err) == (0, "")
    assert any(line.startswith("GET http://s3.example/") for line in proxy.seen)
    proxy.close()


def test_what_no_proxy_names_goes_straight(tiny: TinyS3, tmp_path: Path) -> None:
    ended = run(
        tiny,
        tmp_path,
        AWS_ENDPOINT_URL=tiny.endpoint,
        HTTP_PROXY="http://127.0.0.1:1",
        NO_PROXY="other.org,127.0.0.1",
    )
    assert (ended.code, ended.err) == (0, "")


def test_the_address_of_credentials_is_never_asked_through_a_proxy(tiny: TinyS3) -> None:
    role, proxy = Role(), HttpProxy({})
    tiny.objects[f"/{BUCKET}/x"] = b"1"
    s3 = S3(
        {
            **role.environ,
            "AWS_ENDPOINT_URL": tiny.endpoint,
            "HTTP_PROXY": proxy.address,
        }
    )
    assert s3.get(f"s3://{BUCKET}/x") == b"1"
    assert role.calls == 1
    assert proxy.seen == [f"GET {tiny.endpoint}/{BUCKET}/x"]
    role.close()
    proxy.close()


HOSTS = st.sampled_from(["a.org", "x.a.org", "xa.org", "127.0.0.1:99", "A.ORG:80", "b"])
PROXIES = st.sampled_from(["", "http://p:1", "//p:1", "p:1", "https://p:1"])
WORDS = st.lists(st.sampled_from(["a.org", ".A.org", " b", "*", "127.0.0.1", "x.a.org:80", ""]))


@given(
    st.dictionaries(
        st.sampled_from(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"]), PROXIES
    ),
    st.dictionaries(st.sampled_from(["no_proxy", "NO_PROXY"]), WORDS.map(",".join)),
    st.sampled_from(["http", "https"]),
    HOSTS,
)
def test_proxies_are_chosen_as_botocore_chooses_them(
    proxies: dict[str, str], none: dict[str, str], scheme: str, host: str
) -> None:
    environ = {**proxies, **none}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        for name, value in environ.items():
            patch.setenv(name, value)
        url = f"{scheme}://{host}/"
        expected = ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url)
    assert connection.proxy_of(environ, scheme, host) == (expected or "")


@pytest.mark.parametrize("hours", [3, pytest.param(-3, marks=pytest.mark.thorough)])
def test_a_wrong_clock_is_set_right_by_s3s_own(tiny: TinyS3, tmp_path: Path, hours: int) -> None:
    tiny.ahead = 3600.0 * hours
    ended = run(tiny, tmp_path, AWS_ENDPOINT_URL=tiny.endpoint)
    assert (ended.code, ended.err) == (0, "")


def test_a_job_in_another_region_than_its_bucket_runs_at_any_endpoint(container: Container) -> None:
    """The local cloud, as AWS, refuses a signature for another region, and names the right one."""
    url = container.store.put("in", "read")
    step = Step("s", "cp in out", outputs=(Output("out", container.store.url("out")),))
    task = container.task(steps=(step,), inputs=(Input(url, "in"),))
    ended = container.with_(environ={"HUTCHBATCH_REGION": "eu-west-1"}).run(task)
    assert (ended.code, ended.err) == (0, "")
    assert container.store.get("out") == b"read"
