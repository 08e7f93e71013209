# Names of other rules' files, patterns and functions of them.
rule unit:
    output: temp("results/units/{sample}-{unit}.txt")
    shell: "echo {wildcards.sample} {wildcards.unit} {output} > {output}"

rule merge:
    input: units_of
    output: merged="results/merged/{sample}.txt", log="results/merged/{sample}.stats"
    shell: "cat {input} > {output.merged}; wc -l {input} > {output.log}"

rule index_of:
    input: [rules.merge.output.merged.format(sample=sample) for sample in SAMPLES]
    output: multiext("results/index/all", one=".a", two=".b")
    shell: "echo {input} > {output.one}; echo {output} > {output.two}"

rule pathlib:
    input: unpack(trimmed), index=rules.index_of.output.one
    output: "results/pathlib/{sample}/names.txt"
    params: folder=lambda w, output: Path(output[0]).parent, stem=lambda w, input: Path(input.index).stem
    shell: "echo {params.folder} {params.stem} {input.merged} > {output}"

rule deep:
    input: expand(rules.pathlib.output[0], sample=SAMPLES)
    output: Path("results/pathlib/deep") / "names.txt"
    run:
        folder = Path(output[0]).parent
        folder.mkdir(exist_ok=True)
        (folder / "scratch.txt").write_text(" ".join(input))
        Path(output[0]).write_text((folder / "scratch.txt").read_text() + os.path.dirname(output[0]))

use rule deep as inherited with:
    output: "results/inherited.txt"

checkpoint parts:
    output: directory("results/parts")
    shell: "mkdir -p results/parts; for n in 1 2 3; do echo $n > results/parts/$n.txt; done"

def above_cutoff(wildcards):
    folder = checkpoints.parts.get().output[0]
    numbers = glob_wildcards(os.path.join(folder, "{n}.txt")).n
    return [f"{folder}/{n}.txt" for n in sorted(numbers) if int(n) >= config["cutoff"]]

rule checked:
    input: above_cutoff
    output: "results/checked.txt"
    shell: "echo {input} > {output}; cat {input} >> {output}"
