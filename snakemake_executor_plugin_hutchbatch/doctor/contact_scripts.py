"""What a first contact's probes run, for ``sh``. Each prints lines that begin with ``hb``."""

from __future__ import annotations

import shlex

#: Mounts, modes and size of the scratch. Nothing but ``sh`` and coreutils.
_SCRATCH = """\
s={scratch}
while IFS= read -r line; do
case "$line" in *" $s "*|*" /etc/hosts "*) echo "hb mount $line";; esac
done < /proc/self/mountinfo
echo "hb mode $(stat -c '%u:%g %a' "$s" 2>/dev/null)"
echo "hb uid $(id -u):$(id -g)"
echo "hb df $(stat -f -c '%b %a %S' "$s" 2>/dev/null | {{ read -r b a k; \
echo $((b * k / 1024)) $((a * k / 1024)); }})"
echo "hb kernel $(uname -r)"
[ -f /sys/fs/cgroup/cgroup.controllers ] && echo "hb cgroup 2" || echo "hb cgroup 1"
echo "hb end"
"""

#: The instance metadata service, as a container reaches it: IMDSv2 (a token by PUT first). A hop
#: limit of 1 keeps the token's answer from containers with a network of their own.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
_METADATA = """\
import os, time, urllib.error, urllib.request
base = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254").rstrip("/")
open_ = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
def ask(path, method="GET", **head):
    head = {name.replace("_", "-"): value for name, value in head.items()}
    asked = urllib.request.Request(base + "/latest/" + path, method=method, headers=head)
    try:
        answer = open_(asked, timeout=3)
        return answer.status, answer.read(4096).decode("latin-1").strip()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except Exception as error:
        return "no answer (%s)" % " ".join(str(getattr(error, "reason", error)).split()), ""
begun = time.time()
status, token = ask("api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")
print("hb token", status, "in %.0f ms" % (1000 * (time.time() - begun)))
head = {"x_aws_ec2_metadata_token": token}
if token:
    status, text = ask("meta-data/iam/security-credentials/", **head)
    print("hb role", status, "(%d)" % len(text.split()))
    status, text = ask("meta-data/instance-life-cycle", **head)
    print("hb capacity", text or status)
    status, text = ask("meta-data/instance-type", **head)
    print("hb type", text or status)
    print("hb notice", ask("meta-data/spot/instance-action", **head)[0])
names = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
print("hb credentials", "given" if any(map(os.environ.get, names)) else "none")
print("hb region", "set" if os.environ.get("AWS_REGION") else "not set")
print("hb end")
"""
_WITH_PYTHON = """\
for p in python3 {prefix}/bin/python python; do
command -v "$p" >/dev/null 2>&1 && exec "$p" -c {script}
done
echo "hb python none"
echo "hb end"
"""
#: A command that fails by itself.
FAILING = "exit 3"
#: A job that waits for its cancellation, and ends at once if it starts and is terminated: as
#: process 1 of its container, it must say so.
WAITING = "trap 'exit 0' TERM; sleep 30 & wait"


def scratch(path: str) -> str:
    return _SCRATCH.format(scratch=shlex.quote(path))


def metadata(aws_cli_path: str | None) -> str:
    prefix = shlex.quote(aws_cli_path or "/none")
    return _WITH_PYTHON.format(prefix=prefix, script=shlex.quote(_METADATA))
