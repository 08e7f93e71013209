# From reads to sorted alignments.


rule trim:
    """Cut off adapters and bad ends."""
    input:
        r1="reads/{sample}_R1.fastq.gz",
        r2="reads/{sample}_R2.fastq.gz",
    output:
        # temp(): deleted from the storage as soon as no job needs them any more.
        r1=temp("results/trimmed/{sample}_R1.fastq.gz"),
        r2=temp("results/trimmed/{sample}_R2.fastq.gz"),
        report="results/qc/{sample}.cutadapt.json",
    log:
        "results/logs/trim/{sample}.log",
    # A job that ends for lack of memory gets more at its next attempt.
    retries: 2
    container:
        "docker://quay.io/biocontainers/cutadapt:5.2--py312hfabe715_2"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
        runtime=20,
    params:
        adapters=config["trim"]["adapters"],
        quality=config["trim"]["quality"],
        min_length=config["trim"]["min_length"],
    shell:
        "cutadapt --cores {threads} {params.adapters} --quality-cutoff {params.quality}"
        " --minimum-length {params.min_length} --json {output.report}"
        " -o {output.r1} -p {output.r2} {input.r1} {input.r2} > {log} 2>&1"


rule map_reads:
    """Find where each read belongs, with bwa mem."""
    input:
        genome=f"reference/{config['genome']}",
        r1="results/trimmed/{sample}_R1.fastq.gz",
        r2="results/trimmed/{sample}_R2.fastq.gz",
    output:
        temp("results/mapped/{sample}.unsorted.bam"),
    log:
        "results/logs/map_reads/{sample}.log",
    retries: 2
    container:
        "docker://quay.io/biocontainers/pybwa:2.2.0--py311hb456a96_0"
    threads: 2
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    shell:
        "python workflow/scripts/map_reads.py --genome {input.genome}"
        " --sample {wildcards.sample} --r1 {input.r1} --r2 {input.r2} --bam {output}"
        " --threads {threads} > {log} 2>&1"


rule sort_alignments:
    """Sort, index and measure, with samtools."""
    input:
        "results/mapped/{sample}.unsorted.bam",
    output:
        bam="results/mapped/{sample}.bam",
        bai="results/mapped/{sample}.bam.bai",
        stats="results/qc/{sample}.samtools_stats.txt",
        coverage="results/qc/{sample}.coverage.tsv",
    log:
        "results/logs/sort_alignments/{sample}.log",
    container:
        "docker://quay.io/biocontainers/pysam:0.23.3--py39hdd5828d_1"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=20,
    shell:
        "python workflow/scripts/sort_alignments.py --unsorted {input} --bam {output.bam}"
        " --stats {output.stats} --coverage {output.coverage} --threads {threads}"
        " > {log} 2>&1"
