# File names written out by hand, in commands and params.
rule by_hand:
    output: "results/made/by_hand.txt"
    shell:
        "mkdir -p results/made/tmp && echo made > results/made/tmp/x && "
        "sort results/made/tmp/x > results/made/by_hand.txt && echo {output} >> {output}"

rule split:
    output: expand(config["out"] + "split/part_{n}.txt", n=[1, 2])
    params: out_dir=config["out"] + "split/"
    shell: "for n in 1 2; do echo $n > {params.out_dir}tmp_$n; "
        "mv {params.out_dir}tmp_$n {params.out_dir}/part_$n.txt; done"

rule all_parts:
    input: expand(config["out"] + "split/part_{n}.txt", n=[1, 2])
    output: config["out"] + "split/all.txt"
    params: in_dir=config["out"] + "split"
    shell: "cat {params.in_dir}/part_*.txt > {output}"

rule prefixed:
    input: "results/made/by_hand.txt"
    output: multiext("results/prefixed/out", ".summary.txt", ".counts.txt")
    params: prefix=lambda wildcards, output: output[0].replace(".summary.txt", "")
    shell: "python workflow/scripts/prefix.py -i {input} -o {params.prefix}"

rule subpath:
    input: "results/prefixed/out.summary.txt"
    output: "results/subpath.txt"
    params:
        parent=subpath(input[0], parent=True),
        stem=subpath(input[0], strip_suffix=".summary.txt", basename=True),
        folder=lambda w, output: os.path.dirname(output[0]),
    shell: "echo {params.parent} {params.stem} {params.folder} > {output}"

rule source_path:
    output: "results/source_path.txt"
    params: table=workflow.source_path("../tables/table.txt")
    shell: "cp {params.table} {output}; echo $(basename {params.table}) >> {output}"

rule basedir:
    output: "results/variables.txt"
    shell:
        "for folder in $(echo $SEARCH_PATHS | tr ':' ' '); do ls $folder/table.txt $folder/config; done"
        " 2> /dev/null | xargs -n 1 basename > {output} || true;"
        "python {workflow.basedir}/scripts/prefix.py --version >> {output};"
        "on_the_path >> {output}"
