rule count:
    input: "never.txt"
    output: "results/{sample}.n"
    params: cutoff=config["cutoff"]
    shell: "wc -l < {input} > {output}; echo {params.cutoff} {output} >> {output}"
