rule included:
    output: "included.txt"
    params: script=workflow.source_path("../scripts/word.sh")
    shell: "sh {params.script} included > {output}"
