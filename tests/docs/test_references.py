"""Whatever the project refers to is in the project, or has a public address."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "snakemake_executor_plugin_hutchbatch"
FOLDERS = (
    PACKAGE,
    *(ROOT / name for name in (".ci", ".github", "docs", "example_workflow", "tests")),
)
TEXT = {"", ".css", ".j2", ".js", ".md", ".py", ".sh", ".smk", ".toml", ".yaml", ".yml"}

#: Notes that are not in the repository, numbers of their entries, and abbreviated paths of
#: somebody else's sources.
OUTSIDE = re.compile(
    r"\b(?:FACTS|DESIGN)\b|\b[Tt]raps? \d|\b[Hh]ouse rules?\b|\b[Rr]ule \d+\b|\b(?:SM|IF)/|\bS3:\d"
    r"|\.\./shared\b|(?<![\w.])/work/(?:main|shared|wt)\b",
)
EXAMPLES = (
    "FACTS.md section 2",
    "DESIGN.md, rule 7",
    "Trap 19: the message is lost",
    "see house rule 3",
    "SM/jobs.py:1144",
    "IF/utils.py",
    "(S3:229, 329)",
    "../shared/notes",
    "/work/main/x",
)


def files() -> Iterator[Path]:
    """What people wrote: no results of runs, no caches."""
    for folder in FOLDERS:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder).parts
            hidden = any(part.startswith((".", "__pycache__")) for part in inside)
            if not hidden and path.suffix in TEXT and path.is_file() and path != Path(__file__):
                yield path
    yield from ROOT.glob("*.md")
    yield from ROOT.glob("*.toml")


def prose(text: str) -> str:
    """Without the breaks of lines, and the comment marks behind them."""
    return re.sub(r"\s*\n[ \t]*(?:#:? ?)?", " ", text)


def headings(page: Path) -> list[str]:
    plain = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)
    return re.findall(r"^#+ (.*?)\s*$", plain, re.M)


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings; a repeated one gets a number."""
    seen: Counter[str] = Counter()
    found = set()
    for head in headings(page):
        name = re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def pages() -> list[Path]:
    return sorted(path for path in files() if path.suffix == ".md")


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("text", EXAMPLES)
def test_references_to_notes_elsewhere_are_recognized(text):
    assert OUTSIDE.search(text)


def test_nothing_refers_to_notes_that_are_not_in_the_repository():
    found = [
        f"{names(path)}: {text}"
        for path in files()
        for text in OUTSIDE.findall(prose(path.read_text(errors="replace")))
    ]
    assert found == []


def test_pages_and_sections_that_code_names_exist():
    named = 0
    for path in files():
        if path.suffix != ".py":
            continue
        for page, sections in re.findall(
            r'\bdocs/([\w/]+\.md)((?:,? (?:and )?"[^"]+")*)', prose(path.read_text())
        ):
            named += 1
            target = ROOT / "docs" / page
            assert target.is_file(), f"{names(path)}: docs/{page}"
            missing = set(re.findall(r'"([^"]+)"', sections)) - set(headings(target))
            assert missing == set(), f"{names(path)}: docs/{page}"
    assert named


@pytest.mark.parametrize("page", pages(), ids=names)
def test_links_lead_to_files_and_headings_of_the_project(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_relative_to(ROOT), target
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_the_design_has_a_row_for_each_package_and_no_other():
    text = (ROOT / "docs/design/README.md").read_text().partition("\n## Packages\n")[2]
    rows = re.findall(r"^\| (`.*?) \|", text.partition("\n## ")[0], re.M)
    named = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    there = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    there |= {path.stem for path in PACKAGE.glob("*.py")}
    assert named == there


@pytest.mark.parametrize("page", sorted((ROOT / "docs/design").glob("*.md")), ids=names)
def test_modules_that_the_design_names_exist(page):
    tops = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    for name in re.findall(r"`((?:[a-z_]+/)+[a-z_]+)`", page.read_text()):
        if name.split("/")[0] in tops:
            assert (PACKAGE / f"{name}.py").is_file() or (PACKAGE / name).is_dir(), name
