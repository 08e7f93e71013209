"""Which machine the container is on, from EC2's instance metadata service.

AWS Batch itself tells only an ECS instance's ARN, and looking that up needs further rights. Asked
beside the job, on ECS alone; where containers may not ask (a hop limit of 1), nothing is known.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import threading
from typing import Dict, Mapping

from .wire import Connection, SetupError

ADDRESS = "http://169.254.169.254"
#: Seconds for one answer: the service is on the machine itself.
PATIENCE = 1.0
LONGEST = 64
LONGEST_ANSWER = 4096
#: Names in a ``Status`` and what the service calls them.
FACTS = {
    "instance_id": "instance-id",
    "instance_type": "instance-type",
    "capacity": "instance-life-cycle",
}


class Machine:
    """What is known so far; ``facts`` fills within a second, or stays empty."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.facts: Dict[str, str] = {}
        if (
            "ECS_CONTAINER_METADATA_URI_V4" in environ
            and environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true"
        ):
            # The variable is botocore's.
            address = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ADDRESS
            threading.Thread(target=self._ask, args=(address,), daemon=True).start()

    def _ask(self, address: str) -> None:
        scheme, _, host = address.rstrip("/").partition("://")
        try:
            # No environment: no proxy leads to the machine itself.
            connection = Connection(scheme, host, PATIENCE, {})
        except (OSError, SetupError, ValueError):
            return
        try:
            head = {"host": host, "x-aws-ec2-metadata-token-ttl-seconds": "60"}
            connection.ask("PUT", "/latest/api/token", head)
            token = connection.read(LONGEST_ANSWER).decode("latin-1")
            if connection.status != 200:
                return
            for name, path in FACTS.items():
                head = {"host": host, "x-aws-ec2-metadata-token": token}
                connection.ask("GET", "/latest/meta-data/" + path, head)
                text = connection.read(LONGEST_ANSWER).decode("latin-1").strip()
                if connection.status == 200 and len(text) <= LONGEST and text.isprintable():
                    self.facts[name] = text
        except (OSError, ValueError):
            return
        finally:
            connection.close()
