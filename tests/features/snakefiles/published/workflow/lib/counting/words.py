import sys

with open(sys.argv[1], "w") as file:
    file.write(f"{__name__} of {__package__} for {sys.argv[1]}\n")
