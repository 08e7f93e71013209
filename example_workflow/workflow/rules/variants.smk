# From alignments to variants.


rule call_variants:
    """List the differences from the reference, with bcftools."""
    input:
        genome=f"reference/{config['genome']}",
        bam="results/mapped/{sample}.bam",
        bai="results/mapped/{sample}.bam.bai",
    output:
        vcf="results/variants/{sample}.vcf.gz",
        stats="results/qc/{sample}.bcftools_stats.txt",
    log:
        "results/logs/call_variants/{sample}.log",
    container:
        "docker://quay.io/biocontainers/pysam:0.23.3--py39hdd5828d_1"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        min_depth=config["call"]["min_depth"],
    shell:
        "python workflow/scripts/call_variants.py --genome {input.genome} --bam {input.bam}"
        " --vcf {output.vcf} --stats {output.stats} --min-depth {params.min_depth}"
        " > {log} 2>&1"


rule summarise:
    """One table of all variants; the sections of the report that are this workflow's own."""
    input:
        vcfs=expand("results/variants/{sample}.vcf.gz", sample=SAMPLES),
        coverage=expand("results/qc/{sample}.coverage.tsv", sample=SAMPLES),
        genome=f"reference/{config['genome']}",
        genes=f"reference/{config['genes']}",
        lineages=f"reference/{config['lineages']}",
    output:
        table="results/variants.tsv",
        lineages="results/qc/lineages_mqc.json",
        spike="results/qc/spike_mqc.json",
        coverage="results/qc/coverage_mqc.json",
    log:
        "results/logs/summarise.log",
    # Python is all that the script needs: no Snakemake.
    container:
        "docker://python:3.12-slim-bookworm"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        samples=list(SAMPLES),
    script:
        "../scripts/summarise.py"
