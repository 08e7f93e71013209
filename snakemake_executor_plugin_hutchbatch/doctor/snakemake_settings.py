"""The settings that a run of Snakemake would have, read by Snakemake itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from types import SimpleNamespace

from snakemake_interface_common.exceptions import ApiError

from ..aws import clients as aws
from ..planning import run_settings
from ..settings.options import ExecutorSettings
from ..storage import buckets
from .probes import Place


class SettingsError(Exception):
    """The settings cannot be read; one sentence for the user. ``usage``: they are wrong."""

    def __init__(self, sentence: str, usage: bool = False) -> None:
        super().__init__(sentence)
        self.usage = usage


@dataclass(frozen=True)
class RunSettings:
    """``places``: results first; empty with ``no_place``, a sentence that says why. ``conda``:
    whether ``--software-deployment-method`` asks for it."""

    settings: ExecutorSettings
    access: aws.S3Access
    storage_region: str | None
    places: tuple[Place, ...]
    no_place: str = ""
    conda: bool = False


def read(profile: str | None, options: Sequence[str]) -> RunSettings:
    """The settings with a profile and options of the command line. Raises ``SettingsError``."""
    from snakemake.cli import parse_args  # noqa: PLC0415 - half a second
    from snakemake_interface_executor_plugins.registry import (  # noqa: PLC0415
        ExecutorPluginRegistry,
    )
    from snakemake_interface_storage_plugins.registry import (  # noqa: PLC0415
        StoragePluginRegistry,
    )

    given = ["--profile", profile] if profile else []
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            _, arguments = parse_args([*given, *options])
        settings = ExecutorPluginRegistry().get_plugin("hutchbatch").get_settings(arguments)
        s3 = StoragePluginRegistry().get_plugin("s3").get_settings(arguments).get_settings(None)
    except SystemExit:
        printed = said.getvalue().strip().splitlines() or ["?"]
        sentence = printed[-1].rpartition("rror: ")[2]
        raise SettingsError(
            f"Snakemake does not accept these settings: {sentence}", usage=True
        ) from None
    except ApiError as error:
        raise SettingsError(str(error)) from error
    except Exception as error:
        raise SettingsError(f"The settings could not be read: {error}") from error
    access = buckets.access(SimpleNamespace(settings=s3)) if s3 else aws.S3Access()
    try:
        access = replace(access, terms=run_settings.s3_terms(settings))
    except run_settings.PreflightError as error:
        raise SettingsError(str(error), usage=True) from None
    region = getattr(s3, "region", None)
    conda = any(each.name == "CONDA" for each in arguments.software_deployment_method)
    prefix, no_place = None, ""
    try:
        prefix = run_settings.storage_prefix(arguments)
    except run_settings.PreflightError as error:
        no_place = str(error)
    try:
        run_settings.take_site(settings, prefix)
    except run_settings.PreflightError as error:
        raise SettingsError(str(error)) from error
    if prefix is None:
        return RunSettings(settings, access, region, (), no_place, conda)
    control = run_settings.control_prefix(settings, prefix)
    places = [Place("results", prefix), Place("control files", control)]
    return RunSettings(settings, access, region, tuple(places), conda=conda)
