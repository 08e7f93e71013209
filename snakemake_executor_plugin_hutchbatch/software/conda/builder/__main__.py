"""Builds the environment that the variable ``order.VARIABLE`` describes.

Ends with 0, or with 1 and the failure in the file that ``tools.REPORT`` names.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace

from ....supervisor import tools
from ....supervisor.errors import Failure, LocalError, Stopped, of_s3, say
from ....supervisor.problems import CONDA, Cause, Facts
from ....supervisor.s3 import ERRORS, S3
from ....supervisor.taskspec import EXIT_STAGE_OUT
from . import build, inputs, order
from .errors import BuildFailure
from .fetch import Channels


def main(environ: Mapping[str, str]) -> int:
    wanted = order.loads(environ[order.VARIABLE])
    stop = threading.Event()
    s3, channels = S3(environ), Channels(environ)
    try:
        channels = Channels(environ, inputs.access(s3, wanted))
        build.build(wanted, s3, channels, environ, stop)
        return 0
    except BuildFailure as error:
        failure = Failure(1, error.cause, error.problem, error.facts)
    except Failure as error:
        failure = error
    except LocalError as error:
        failure = error.failure(1, Cause.COMMAND, Facts(activity=CONDA))
    except Stopped:
        return 143
    except ERRORS as error:
        failure = of_s3(error, EXIT_STAGE_OUT, Cause.STAGE_OUT, CONDA)
    words = failure.facts.words
    failure.facts = replace(failure.facts, words=words and channels.access.hidden(words))
    tools.report(environ, failure)
    say(failure.line())
    return failure.exit_code


if __name__ == "__main__":
    code = main(os.environ)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: threads of py-rattler that still let go of Python's objects crash an interpreter
    # that ends (with py-rattler 0.28 one in ten, right after an installation).
    os._exit(code)
