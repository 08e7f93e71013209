# The way in: reference files are uploaded from this folder, reads are simulated.


rule upload:
    """Put a file of resources/ into the storage, where the jobs can read it."""
    input:
        local("resources/{file}"),
    output:
        "reference/{file}",
    log:
        local("logs/upload/{file}.log"),
    shell:
        "cp {input} {output} 2> {log}"


# Your own data: delete this rule and copy your FASTQ files to reads/ in the storage.
rule simulate_reads:
    input:
        genome=f"reference/{config['genome']}",
        lineages=f"reference/{config['lineages']}",
    output:
        r1="reads/{sample}_R1.fastq.gz",
        r2="reads/{sample}_R2.fastq.gz",
        truth="results/truth/{sample}.tsv",
    log:
        "results/logs/simulate_reads/{sample}.log",
    resources:
        mem_mb=500,
        runtime=10,
    params:
        lineage=lambda wildcards: SAMPLES[wildcards.sample]["simulated_lineage"],
        seed=lambda wildcards: SAMPLES[wildcards.sample]["seed"],
        depth=config["simulate"]["depth"],
    shell:
        "python workflow/scripts/simulate_reads.py --genome {input.genome}"
        " --lineages {input.lineages} --lineage {params.lineage} --sample {wildcards.sample}"
        " --depth {params.depth} --seed {params.seed}"
        " --r1 {output.r1} --r2 {output.r2} --truth {output.truth} > {log} 2>&1"
