# The page to open.


rule multiqc:
    input:
        expand("results/qc/{sample}.cutadapt.json", sample=SAMPLES),
        expand("results/qc/{sample}.samtools_stats.txt", sample=SAMPLES),
        expand("results/qc/{sample}.bcftools_stats.txt", sample=SAMPLES),
        "results/qc/lineages_mqc.json",
        "results/qc/spike_mqc.json",
        "results/qc/coverage_mqc.json",
    output:
        "results/multiqc_report.html",
    log:
        "results/logs/multiqc.log",
    container:
        "docker://quay.io/biocontainers/multiqc:1.35--pyhdfd78af_1"
    resources:
        mem_mb=2000,
        runtime=20,
        # Everybody waits for this one: the queue that is least often interrupted. Where most jobs
        # go is said in the profile, not here.
        hutchbatch_queue="cpu-spot-50",
    shell:
        "multiqc --config config/multiqc.yaml --no-data-dir --force --filename {output} {input}"
        " > {log} 2>&1"
