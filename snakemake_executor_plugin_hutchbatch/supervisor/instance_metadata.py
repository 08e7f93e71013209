"""Asks EC2's instance metadata service which machine the container is on, and whether it is being
taken back.

AWS Batch itself only shows an ECS instance's ARN, and looking that up needs more permissions. The
questions run in the background, only on ECS; with a hop limit of 1 there are no answers.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import threading
import time
from typing import Dict, Iterator, Mapping, Optional, Sequence, Tuple

from .connection import Connection
from .s3_bootstrap import SetupError

ADDRESS = "http://169.254.169.254"
#: Seconds for one answer: the service is on the machine itself.
PATIENCE = 1.0
LONGEST = 64
LONGEST_ANSWER = 4096
#: Names in a ``Status``, and the service's names for them.
INSTANCE_FACTS = {
    "instance_id": "instance-id",
    "instance_type": "instance-type",
    "capacity": "instance-life-cycle",
}
#: Exists only in the two minutes before a spot machine is taken back; ECS stops its containers
#: with SIGTERM, and AWS Batch only shows their exit codes.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
NOTICE = "spot/instance-action"
#: Seconds that the ending of a stopped job waits for the answer, from the signal on.
NOTICE_PATIENCE = 2.0


class Machine:
    """What is known so far; ``facts`` is filled within a second, or stays empty."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.facts: Dict[str, str] = {}
        self._address = ""
        self._noticed = False
        self._asking: Optional[threading.Thread] = None
        self._deadline = 0.0
        if (
            "ECS_CONTAINER_METADATA_URI_V4" in environ
            and environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"
        ):
            # The variable is botocore's.
            self._address = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ADDRESS
            threading.Thread(target=self._ask_facts, daemon=True).start()

    def ask_why(self) -> None:
        """The container is being stopped: starts asking whether EC2 takes back the machine."""
        if self._address and self._asking is None:
            self._deadline = time.monotonic() + NOTICE_PATIENCE
            self._asking = threading.Thread(target=self._ask_notice, daemon=True)
            self._asking.start()

    def is_taken_back(self) -> bool:
        """The answer, if it is known; waits for it, but only briefly."""
        if self._asking is not None:
            self._asking.join(max(0.0, self._deadline - time.monotonic()))
        return self._noticed

    def _ask_facts(self) -> None:
        for name, text in self._answers(list(INSTANCE_FACTS)):
            if len(text) <= LONGEST and text.isprintable():
                self.facts[name] = text

    def _ask_notice(self) -> None:
        for _ in self._answers([NOTICE]):
            self._noticed = True

    def _answers(self, names: Sequence[str]) -> Iterator[Tuple[str, str]]:
        """The values the service has for these names; ends when it does not answer."""
        scheme, _, rest = self._address.rstrip("/").partition("://")
        host, slash, path = rest.partition("/")
        try:
            # No environment: this address is never reached through a proxy.
            connection = Connection(scheme, host, PATIENCE, {})
        except (OSError, SetupError, ValueError):
            return
        try:
            base = slash + path + "/latest/"
            head = {"host": host, "x-aws-ec2-metadata-token-ttl-seconds": "60"}
            connection.ask("PUT", base + "api/token", head)
            token = connection.read(LONGEST_ANSWER).decode("latin-1")
            if connection.status != 200:
                return
            for name in names:
                head = {"host": host, "x-aws-ec2-metadata-token": token}
                connection.ask("GET", base + "meta-data/" + INSTANCE_FACTS.get(name, name), head)
                text = connection.read(LONGEST_ANSWER).decode("latin-1").strip()
                if connection.status == 200:
                    yield name, text
        except (OSError, ValueError):
            return
        finally:
            connection.close()
