"""Snakemake that comes along: jobs run with a Python that has nothing but its standard library."""

import sys
from pathlib import Path

import pytest

#: The Python of this machine that the tests' environment was made from.
BARE = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def rules(workflow):
    workflow.write(
        "Snakefile",
        """
        import helpers, iniconfig
        from tabulate import tabulate
        envvars: "PATH"
        rule all:
            input: "run.txt", "later.txt"
        rule run:
            output: "run.txt"
            run:
                import snakemake, subprocess
                asked = "import importlib.util as u; print(u.find_spec('tabulate'))"
                child = subprocess.run(["python", "-c", asked], capture_output=True, text=True)
                with open(output[0], "w") as file:
                    print(snakemake.__file__, file=file)
                    print(snakemake.__version__, helpers.parsed(), file=file)
                    print(tabulate([[1]], tablefmt="plain"), child.stdout, file=file)
                    print(iniconfig.__file__, file=file)
        rule earlier:
            output: "earlier.txt"
            group: "g"
            script: "scripts/write.py"
        rule later:
            input: "earlier.txt"
            output: "later.txt"
            group: "g"
            run:
                shell("cat {input} > {output}; echo later >> {output}")
        """,
    )
    workflow.write(
        "helpers.py",
        """
        import yaml
        def parsed():
            return yaml.safe_load("a: 1")
        """,
    )
    workflow.write("scripts/write.py", "open(snakemake.output[0], 'w').write('earlier\\n')\n")
    return workflow


def test_rules_under_snakemake_need_nothing_of_their_image_but_a_python(rules):
    version = __import__("snakemake").__version__
    output = rules.succeed(PATH=BARE)
    place, versions, reported = rules.text("run.txt").split("\n", 2)
    assert "/hutchbatch-cache/" in place
    assert versions == f"{version} {{'a': 1}}"
    # Only Snakemake's own process has them.
    *table, beside = reported.split()
    assert table == ["1", "None"]
    # What the Snakefile imports came in an archive of its own.
    assert "/hutchbatch-cache/" in beside
    assert beside.partition("/content/")[0] != place.partition("/content/")[0]
    assert rules.text("later.txt") == "earlier\nlater\n"
    assert "(rule run has a run:) in public.ecr.aws/docker/library/python:" in output
    archives = [*(rules.stored / ".hutchbatch" / "packages").iterdir()]
    assert len(archives) == 2
    stored = [archive.stat().st_mtime_ns for archive in archives]
    # Later runs store, fetch and unpack nothing again.
    again = rules.succeed("run.txt", "--forceall", PATH=BARE)
    assert [archive.stat().st_mtime_ns for archive in archives] == stored
    assert "Packing" not in again
    assert rules.text("run.txt").split("\n")[0] == place


@pytest.mark.thorough
def test_a_snakemake_of_the_image_is_used_as_it_is(rules):
    rules.succeed("run.txt", PATH=f"{Path(sys.executable).parent}:{BARE}")
    assert "site-packages" in rules.text("run.txt").split("\n")[0]
