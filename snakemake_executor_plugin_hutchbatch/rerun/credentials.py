"""``python -m …rerun.credentials``: the user's AWS credentials as assignments of a shell, for
``run.sh``. Prints nothing where there are none: what is in the folder needs none."""

from __future__ import annotations

import shlex

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import clients as aws
from ..text import terminal


def main() -> None:
    try:
        found = aws.session().get_credentials()
        keys = found.get_frozen_credentials() if found else None
    except (BotoCoreError, ClientError):
        return
    if keys is None:
        return
    named = (
        ("AWS_ACCESS_KEY_ID", keys.access_key),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_key),
        ("AWS_SESSION_TOKEN", keys.token),
    )
    for name, text in named:
        if text:
            terminal.say_exactly(f"{name}={shlex.quote(text)}")


if __name__ == "__main__":
    main()
