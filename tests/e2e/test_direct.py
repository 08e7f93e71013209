"""Direct mode: a rule's command runs as Snakemake's shell would run it, without Snakemake."""

from snakemake_executor_plugin_hutchbatch.supervisor import scratch

SHELL_RULES = r"""
    shell.prefix("greeting=hello; ")
    rule all:
        input: "out/env.txt", "out/script.txt", "out/quoted name.txt", "out/sh.txt", "dirs/n.txt"
    rule env:
        output: "out/env.txt"
        threads: 3
        resources: mem_mb=300, runtime=5
        shell:
            "echo $greeting > {output}; env >> {output}; echo cwd=$PWD >> {output}; "
            "echo tmp={resources.tmpdir} >> {output}; touch {resources.tmpdir}/ok; "
            "touch $TMPDIR/ok; echo threads={threads} mem={resources.mem_mb} >> {output}"
    rule script:
        input: "out/env.txt"
        output: "out/script.txt"
        shell: "python3 scripts/count.py {input} > {output}"
    rule quoted:
        input: "out/env.txt"
        output: "out/quoted name.txt"
        params: text="it's $HOME \"quoted\""
        shell: "printf '%s' {params.text:q} > {output:q}"
    rule posix:
        output: "out/sh.txt"
        resources: shell_exec="sh"
        shell: "echo $0 > {output}"
    rule tree:
        output: directory("tree")
        shell: "mkdir -p {output}/a/b; echo 1 > {output}/a/b/x; echo 2 > {output}/y"
    rule count:
        input: "tree"
        output: "dirs/n.txt"
        shell: "find {input} -type f | wc -l > {output}"
"""


def test_commands_run_as_snakemakes_shell_would_run_them(workflow):
    workflow.write("Snakefile", SHELL_RULES)
    workflow.write("scripts/count.py", "import sys; print(len(open(sys.argv[1]).readlines()) > 5)")
    # A rule's script: makes its folder part of the sources that Snakemake ships.
    with (workflow.folder / "Snakefile").open("a") as file:
        file.write('\nrule never:\n    output: "never"\n    script: "scripts/count.py"\n')
    output = workflow.succeed("all")
    lines = workflow.text("out/env.txt").splitlines()
    reported = dict(line.split("=", 1) for line in lines if "=" in line)
    assert lines[0] == "hello"
    for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR"):
        assert reported[f"{name}_NUM_THREADS"] == "3"
    assert reported["VECLIB_MAXIMUM_THREADS"] == "3"
    assert reported["threads"] == "3 mem=300"
    assert (
        reported["TMPDIR"]
        == reported["tmp"]
        == reported["TMP"]
        == reported["TEMP"]
        == reported["TEMPDIR"]
    )
    assert reported["tmp"].startswith("/tmp/hutchbatch-")
    assert reported["cwd"].startswith("/tmp/hutchbatch-")
    assert not any(name.startswith("HUTCHBATCH") for name in reported)
    assert "AWS_SECRET_ACCESS_KEY" not in reported
    assert reported["AWS_DEFAULT_REGION"] == reported["AWS_REGION"] == "us-west-2"
    assert workflow.text("out/script.txt") == "True\n"
    assert workflow.text("out/quoted name.txt") == 'it\'s $HOME "quoted"'
    assert workflow.text("out/sh.txt").strip().endswith("sh")
    assert workflow.text("tree/a/b/x") == "1\n"
    assert workflow.text("dirs/n.txt").strip() == "2"
    assert "Jobs of env run directly in" in output


def test_strict_mode_stops_at_the_first_failure_and_logs_are_kept(workflow):
    workflow.write(
        "Snakefile",
        """
        rule broken:
            output: "out.txt"
            log: "logs/broken.log"
            shell: "(echo before; false | cat; echo after) > {log} 2>&1; echo x > {output}"
        """,
    )
    output = workflow.fail()
    assert workflow.text("logs/broken.log") == "before\n"
    assert not (workflow.stored / "out.txt").exists()
    assert "[COMMAND]" in output


def test_output_that_is_not_made_fails_the_rule_and_not_the_run(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "lazy.txt", "good.txt"
        rule lazy:
            output: "lazy.txt"
            shell: "echo I forgot"
        rule good:
            output: "good.txt"
            shell: "echo fine > {output}"
        """,
    )
    output = workflow.fail("--keep-going")
    assert "[MISSING_OUTPUT]" in output
    assert "lazy.txt" in output
    assert workflow.text("good.txt") == "fine\n"


def test_the_last_lines_of_a_failed_job_are_shown(workflow):
    workflow.write(
        "Snakefile",
        """
        rule broken:
            output: "out.txt"
            shell: "echo 'cannot open index' >&2; exit 3"
        """,
    )
    output = workflow.fail()
    assert "cannot open index" in output
    assert "exit code 3" in output


def test_a_private_folder_is_left_by_no_job(workflow, cloud):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "good.txt"
        rule good:
            output: "good.txt"
            shell: "dd if=/dev/zero of=$TMPDIR/big bs=1k count=10; echo ok > {output}"
        """,
    )
    workflow.succeed()
    # Not the cache of a host, which other tests' jobs may have left: it is meant to stay.
    left = [p for p in (cloud.directory / "hosts").rglob("*") if scratch.PATTERN.fullmatch(p.name)]
    assert (cloud.directory / "hosts").is_dir()
    assert left == []


def test_a_rule_of_a_module_sees_its_own_modules_configuration(workflow):
    workflow.write(
        "Snakefile",
        """
        config = {"x": "MAIN", "sub": {"x": "MODULE"}}
        module m:
            snakefile: "sub.smk"
            config: config["sub"]
        use rule * from m
        """,
    )
    workflow.write(
        "sub.smk", 'rule a:\n    output: "a.txt"\n    shell: "echo {config[x]} > {output}"\n'
    )
    workflow.succeed("a.txt")
    assert workflow.text("a.txt") == "MODULE\n"


def test_paths_of_the_workflows_folder_are_found_in_the_container(workflow):
    workflow.write(
        "workflow/Snakefile",
        """
        rule a:
            output: "a.txt"
            params: here=os.getcwd(), url="https://example.org" + os.getcwd()
            resources: tmpdir=lambda wildcards, attempt: f"{os.getcwd()}/tmp/{attempt}"
            shell:
                "cd /; sh {workflow.basedir}/scripts/hello.sh > $OLDPWD/{output}; cd {params.here};"
                "echo $(pwd):x {params.here}:x $TMPDIR {resources.tmpdir} {params.url} >> {output};"
                "touch $TMPDIR/there"
        """,
    )
    workflow.write("workflow/scripts/hello.sh", "echo hello from $(dirname $0)\n")
    workflow.succeed()
    hello, said = workflow.text("a.txt").splitlines()
    assert hello.startswith("hello from /tmp/hutchbatch-")
    here, named, tmpdir, resource, url = said.split()
    assert here == named
    assert here.startswith("/tmp/hutchbatch-")
    assert tmpdir == resource == here.removesuffix(":x") + "/tmp/1"
    assert url == f"https://example.org{workflow.folder}"
