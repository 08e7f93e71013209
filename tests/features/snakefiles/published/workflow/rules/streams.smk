# Where output goes, and what rules from Slurm's days ask for.
rule stderr:
    output: "results/logged/stderr.txt"
    log: "logs/stderr.log"
    benchmark: "benchmarks/stderr.tsv"
    shell: "(echo out; echo progress >&2) > {output} 2> {log}"

rule tee:
    input: rules.stderr.output
    output: "results/logged/tee.txt"
    log: "logs/tee.log"
    shell:
        r"""
        exec &> >(tee {log:q})

        echo from {input:q}
        cp {input:q} {output:q}
        """

rule quoted:
    output: "results/quoted.txt"
    params: columns=["a b", "c'd"], empty="", pattern=lambda w: r"\d{2}"
    shell: "printf '%s\n' {params.columns:q} {params.pattern:q} {params.empty} > {output:q}"

rule modules:
    output: "results/modules.txt"
    shell: "PYTHONPATH=workflow/lib python -m counting.words {output}"

rule script:
    input: merged=rules.modules.output[0]
    output: out="results/script/out.txt"
    log: "logs/script.log"
    params: cutoff=config["cutoff"], beside=lambda w, output: os.path.dirname(output.out)
    script: "../scripts/report.py"

rule gigabytes:
    output: temp("results/gigabytes.txt")
    resources: mem_gb=2
    shell: "echo {resources.mem_gb} > {output}"

rule slurm:
    input: "results/gigabytes.txt"
    output: "results/slurm.txt"
    threads: 2
    resources: time="0-1:00", mem=98, cpus_per_task=4
    shell: "echo {threads} {resources.time} $(cat {input}) > {output}"
