"""A tool that takes a prefix for the files that it makes."""

import sys

if "--version" in sys.argv:
    print("prefix 1.0")
else:
    prefix = sys.argv[sys.argv.index("-o") + 1]
    text = open(sys.argv[sys.argv.index("-i") + 1]).read()
    for suffix in ("summary", "counts"):
        with open(f"{prefix}.{suffix}.txt", "w") as file:
            file.write(f"{suffix} of {prefix}\n{text}")
