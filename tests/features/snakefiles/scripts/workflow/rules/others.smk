# Wrappers, groups and pipes.
rule wrapped:
    input: "data/one.txt"
    output: "out/wrapped.txt"
    log: "logs/wrapped.log"
    params: extra="--x 'y z'"
    threads: 2
    wrapper: "v1.0.0/bio/tool"


rule wrapped_r:
    input: "data/one.txt"
    output: "out/wrapped_r.txt"
    wrapper: "file:" + workflow.basedir + "/../wrappers/tool_r"


rule first:
    input: "data/one.txt"
    output: temp("out/first.txt")
    group: "mixed"
    shell: "cp {input} {output}"


rule second:
    input: "out/first.txt"
    output: temp("out/second.txt")
    group: "mixed"
    script: "../scripts/group.py"


rule third:
    input: "out/second.txt"
    output: "out/group.txt"
    group: "mixed"
    wrapper: "v1.0.0/bio/tool"


rule feeds:
    input: "data/one.txt"
    output: pipe("out/pipe.txt")
    group: "piped"
    script: "../scripts/group.py"


rule drinks:
    input: "out/pipe.txt"
    output: "out/piped.txt"
    group: "piped"
    script: "../scripts/group.py"


rule sourced:
    output: "out/third.txt"
    script: "../scripts/sourced.R"
