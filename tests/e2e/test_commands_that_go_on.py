"""Commands whose shell ends before their files are complete, wherever they run."""


def test_what_a_command_still_writes_when_its_shell_has_ended_is_stored_whole(workflow):
    workflow.write(
        "Snakefile",
        """
        rule all:
            input: "sorted.txt", "run.txt", "here.txt"
        rule direct:
            output: "sorted.txt", "all.txt"
            shell: "seq 3 | tee >(sort -r | (sleep 4; cat) > {output[0]}) > {output[1]}"
        rule snakemake:
            output: "run.txt"
            run:
                shell(
                    "(sleep 0.4; exec > {output}; sleep 4; echo whole) > /dev/null & sleep 1000 &"
                )
        rule here:
            output: "here.txt"
            localrule: True
            shell: "(sleep 0.4; exec > {output}; sleep 4; echo whole) > /dev/null &"
        """,
    )
    output = workflow.succeed()
    assert workflow.text("sorted.txt") == "3\n2\n1\n"
    assert workflow.text("all.txt") == "1\n2\n3\n"
    assert workflow.text("run.txt") == workflow.text("here.txt") == "whole\n"
    assert "run under Snakemake (rule snakemake has a run:)" in output
