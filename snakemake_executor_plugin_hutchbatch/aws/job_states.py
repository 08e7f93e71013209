"""The states of a job in AWS Batch: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html"""

from __future__ import annotations

from typing import Literal

State = Literal["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]

#: No machine has been found for the job yet.
WAITING: tuple[State, ...] = ("SUBMITTED", "PENDING", "RUNNABLE")
#: It has a machine.
BEGUN: tuple[State, ...] = ("STARTING", "RUNNING")
#: It may still write, in the order in which a job goes through these states.
LIVE: tuple[State, ...] = (*WAITING, *BEGUN)
ENDED: tuple[State, ...] = ("SUCCEEDED", "FAILED")

#: No state of Batch's: it no longer knows the job. The record has it beside the others.
LOST = "LOST"
#: The states in which Batch is done with a job.
OVER: tuple[str, ...] = (*ENDED, LOST)
