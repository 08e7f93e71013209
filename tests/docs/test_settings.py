"""The tables of settings in README and docs say what the table of the code says."""

import dataclasses
import re
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.planning import foreign_resources
from snakemake_executor_plugin_hutchbatch.settings.options import ALIASES, ExecutorSettings
from snakemake_executor_plugin_hutchbatch.settings.setting import (
    RESOURCE_PREFIX,
    Need,
    option_name,
)
from snakemake_executor_plugin_hutchbatch.settings.table import (
    CONTROL_FOLDER,
    FALLBACK_REGION,
    SETTINGS,
)
from snakemake_executor_plugin_hutchbatch.settings.values import SettingError
from snakemake_executor_plugin_hutchbatch.settlement import evidence

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def tables(*head: str) -> list[list[list[str]]]:
    """The cells of all tables whose first columns are called ``head``, without their heads."""
    found = []
    for page in PAGES:
        for table in re.findall(r"(?:^ *\|.*\n)+", page.read_text() + "\n", re.M):
            first, _, *lines = (
                [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
                for line in table.strip().splitlines()
            )
            if tuple(cell.lower() for cell in first[: len(head)]) == head:
                found.append(lines)
    return found


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def named(option: str, resource: str) -> str:
    """The setting of a row."""
    if code(resource):
        return code(resource)[0].removeprefix(RESOURCE_PREFIX)
    return code(option)[0].removeprefix("--hutchbatch-").replace("-", "_")


ROWS = [row for table in tables("setting", "resource", "default") for row in table]
BY_NAME = {named(option, resource): (default, about) for option, resource, default, about in ROWS}


def test_every_setting_has_one_row_with_its_option_and_its_resource():
    assert sorted(named(*row[:2]) for row in ROWS) == sorted(SETTINGS)
    for option, resource, *_ in ROWS:
        setting = SETTINGS[named(option, resource)]
        assert code(option) == [option_name(setting.name)] * setting.is_option
        assert code(resource) == [RESOURCE_PREFIX + setting.name] * setting.per_rule


def test_settings_are_grouped_by_who_needs_them_in_help_and_documentation_alike():
    page = (ROOT / "docs" / "settings.md").read_text()
    for need in Need:
        text = page.partition(f"### {need.words.capitalize()}\n")[2].partition("\n### ")[0]
        rows = [line.split("|")[1:3] for line in text.splitlines() if "hutchbatch" in line[:60]]
        names = [named(*row) for row in rows if code("".join(row))]
        assert names == [each.name for each in SETTINGS.values() if each.need is need]
    shown = [field.metadata["help"] for field in dataclasses.fields(ExecutorSettings)]
    groups = [re.match(r"\[(.*?)\] ", text)[1] for text in shown]
    assert groups == sorted(groups, key=[need.words for need in Need].index)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_row_has_the_default_of_the_code(setting):
    cell, _ = BY_NAME[setting.name]
    shown = (code(cell) or re.split(r"[\s;:,]", cell))[0]
    if setting.default == ():
        assert shown == "none"
    elif setting.default is not None:
        assert shown == setting.default
    elif cell != "none":  # worked out from something else: in words, not a value to type
        with pytest.raises(SettingError):
            setting.parse(cell.strip("`"))


def test_what_a_default_is_worked_out_from_is_that_of_the_code():
    assert code(BY_NAME["region"][0]) == [FALLBACK_REGION]
    assert code(BY_NAME["work_prefix"][0]) == [CONTROL_FOLDER]


def test_bounds_in_a_row_are_those_of_the_help_text():
    for name, (_, about) in BY_NAME.items():
        for bounds in re.findall(r"\d+ to \d+", about):
            assert bounds in SETTINGS[name].help, name


def test_the_lines_that_are_read_of_a_failed_job_are_those_that_are_shown():
    assert SETTINGS["tail_lines"].default_value == evidence.TAIL_LINES


def test_the_resources_of_other_executors_are_those_that_hints_name():
    (rows,) = tables("resource of another plugin")
    named_there = {name for theirs, _ in rows for name in code(theirs)}
    assert set(foreign_resources.COUNTERPARTS) <= named_there
    for theirs, ours in rows:
        for name in set(code(theirs)) & set(foreign_resources.COUNTERPARTS):
            assert foreign_resources.COUNTERPARTS[name].startswith((code(ours) or ["nothing"])[0])


def test_the_other_plugins_resources_are_those_the_code_understands():
    spelled = {
        code(theirs)[0]: code(ours)[0] for table in tables("its resource") for theirs, ours in table
    }
    assert spelled.pop("aws_batch_task_timeout") == "runtime"
    assert spelled == {alias: RESOURCE_PREFIX + name for alias, name in ALIASES.items()}
