"""The states of a job in AWS Batch."""

from __future__ import annotations

from typing import Literal

#: Before there is a machine for the job.
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE")


ENDED = ("SUCCEEDED", "FAILED")


State = Literal["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
#: Of Batch's states, those of jobs that may still write.
LIVE: tuple[State, ...] = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
