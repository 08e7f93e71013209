"""Any program of a stand-in package (``stand_in_channel.py``), for workflows that are run by hand.

It works only in the environment that it was installed in, once that is activated. It reads the
files among its arguments, and writes to each path that it is given for a result one line: a digest
of its name and version, its arguments, and what it has read. Where another program must be able to
read that result, it has the form that the real one gives it, with numbers that come of the digest.

Paths count by their last part, and arguments in any order: wrappers keep some in sets.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

#: Filled in when the package is made, and when it is installed.
PREFIX = "@PREFIX@"
PACKAGE = "@PACKAGE@"

PREAMBLE_END = "######## snakemake preamble end #########"
#: After these comes a result, whatever it looks like.
RESULTS = {"-o", "-O", "--out", "--output", "-output", "--outFileName"}
#: After these comes something that is no result, though it looks like the path of one.
SCRATCH = {"-T", "--tmpDir", "--tmpdir", "--outTmpDir", "--TMP_DIR", "-R", "--genomeDir"}
#: What these write to a prefix that they are given, by the option of the prefix.
PREFIXED = {
    "junction_annotation.py": ("-o", (".junction.bed", ".junction.xls", ".junction_plot.r")),
    "junction_saturation.py": ("-o", (".junctionSaturation_plot.pdf",)),
    "inner_distance.py": ("-o", (".inner_distance.txt", ".inner_distance_freq.txt")),
    "read_duplication.py": ("-o", (".DupRate_plot.pdf", ".pos.DupRate.xls")),
    "read_GC.py": ("-o", (".GC_plot.pdf", ".GC.xls")),
    "featureCounts": ("-o", ("", ".summary", ".jcounts")),
    "bwa index": ("-p", (".amb", ".ann", ".bwt", ".pac", ".sa")),
    "STAR": ("--outFileNamePrefix", ("Log.out", "Log.final.out", "SJ.out.tab")),
    "picard CollectMultipleMetrics": (
        "O",
        (
            *(".insert_size_metrics", ".insert_size_histogram.pdf", ".alignment_summary_metrics"),
            *(".base_distribution_by_cycle_metrics", ".base_distribution_by_cycle.pdf"),
            *(".quality_by_cycle_metrics", ".quality_by_cycle.pdf"),
            *(".quality_distribution_metrics", ".quality_distribution.pdf"),
        ),
    ),
}


class Call:
    """What the program was called with, and what that comes to."""

    def __init__(self, arguments: list[str]) -> None:
        self.name = Path(sys.argv[0]).name
        self.arguments = arguments
        first = next((a for a in arguments if re.match(r"^[A-Za-z]\w+$", a)), "")
        self.tool = f"{self.name} {first}".strip()
        self.results: list[str] = []
        self.files: list[str] = []
        facts = [PACKAGE, self.name, *self._facts()]
        self.stdin = sys.stdin.buffer.read() if _is_piped() else b""
        facts.append(hashlib.sha256(self.stdin).hexdigest())
        self.digest = hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest()

    def option(self, *names: str) -> str:
        """The value of the first of these options that is given, else nothing."""
        for at, argument in enumerate(self.arguments):
            if argument in names and at + 1 < len(self.arguments):
                return self.arguments[at + 1]
            name, equals, value = argument.partition("=")
            if equals and name in names:
                return value
        return ""

    @property
    def line(self) -> str:
        return f"{self.tool} of {PACKAGE}: {self.digest}\n"

    def numbers(self, count: int, below: int) -> list[int]:
        found = []
        for each in range(count):
            more = hashlib.sha256(f"{self.digest} {each}".encode()).hexdigest()
            found.append(int(more[:8], 16) % below)
        return found

    def _facts(self) -> Iterator[str]:
        before = ""
        for argument in self.arguments:
            name, equals, value = argument.partition("=")
            if equals and "'" not in name:
                yield name
                words, option = value, name
            else:
                words, option = argument, before
            for word in re.split(r"[,'\"()]|\s", words):
                yield self._fact(word, option)
            before = argument

    def _fact(self, word: str, option: str) -> str:
        path = Path(word)
        if self.tool == "bwa mem" and Path(f"{word}.bwt").is_file():
            return content(Path(f"{word}.bwt"))
        if path.is_file():
            self.files.append(word)
            return content(path)
        if path.is_dir():
            return "folder"
        prefixed = PREFIXED.get(self.tool) or PREFIXED.get(self.name) or ("", ())
        looks = "/" in word and "://" not in word and path.parent.is_dir()
        if option != prefixed[0] and (option in RESULTS or (looks and option not in SCRATCH)):
            self.results.append(word)
        return path.name


def _is_piped() -> bool:
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: str | Path, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    Path(path).write_bytes(gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)


# --- programs whose results others read


def star(call: Call) -> str:
    if call.option("--runMode") == "genomeGenerate":
        for name in ("Genome", "SA", "SAindex", "chrName.txt"):
            write(Path(call.option("--genomeDir"), name), call.line)
        return ""
    rows = [f"N_{name}\t1\t2\t3\n" for name in ("unmapped", "multimapping", "noFeature", "amb")]
    counts = call.numbers(30, 500)
    rows += [f"GENE{n:03}\t{c}\t{c // 2}\t{c - c // 2}\n" for n, c in enumerate(counts)]
    write(call.option("--outFileNamePrefix") + "ReadsPerGene.out.tab", "".join(rows))
    return call.line


def samtools(call: Call) -> str:
    what = call.arguments[0]
    if what == "faidx":
        index = "21\t9000\t4\t60\t61\n"
        write(call.files[0] + ".fai", index)
        return index
    if what == "flagstat":
        (mapped,) = call.numbers(1, 9000)
        return f"9000 + 0 in total\n{mapped + 1} + 0 mapped (50.00% : N/A)\n{call.line}"
    if what == "stats":
        return f"# {call.line}SN\traw total sequences:\t9000\nSN\taverage length:\t50\n"
    return "" if call.results else call.line


def bwa(call: Call) -> str:
    if call.arguments[0] == "index" and not call.option("-p"):
        for end in PREFIXED["bwa index"][1]:
            write(call.files[0] + end, call.line)
    return call.line


def peaks(call: Call) -> str:
    name = call.option("-n", "--name")
    stem = str(Path(call.option("--outdir"), name))
    rows = []
    for n, at in enumerate(call.numbers(12, 800)):
        begin = at * 10
        rows.append(f"21\t{begin}\t{begin + 300}\t{name}_peak_{n}\t{at}\t.\t{at / 100}\t2.5\t1.5")
    broad = "--broad" in call.arguments
    kinds = ("_peaks.broadPeak", "_peaks.gappedPeak") if broad else ("_peaks.narrowPeak",)
    more = "" if broad else "\t150"
    for kind in kinds:
        write(stem + kind, "".join(f"{row}{more}\n" for row in rows))
    if not broad:
        write(f"{stem}_summits.bed", call.line)
    for end in ("_peaks.xls", "_treat_pileup.bdg", "_control_lambda.bdg"):
        write(stem + end, call.line)
    return ""


def bedtools(call: Call) -> str:
    if call.arguments[0] != "merge":
        return call.line
    merged: list[tuple[str, int, int, list[list[str]]]] = []
    columns = [int(c) - 1 for c in call.option("-c").split(",")]
    for line in call.stdin.decode().splitlines():
        row = line.split("\t")
        name, begin, end = row[0], int(row[1]), int(row[2])
        if merged and merged[-1][0] == name and begin <= merged[-1][2]:
            last = merged.pop()
            merged.append((name, last[1], max(end, last[2]), [*last[3], row]))
        else:
            merged.append((name, begin, end, [row]))
    text = ""
    for name, begin, end, rows in merged:
        collapsed = [",".join(row[c] for row in rows) for c in columns]
        text += "\t".join([name, str(begin), str(end), *collapsed]) + "\n"
    return text


def feature_counts(call: Call) -> str:
    bams = [a for a in call.arguments if a.endswith(".bam")]
    head = ["Geneid", "Chr", "Start", "End", "Strand", "Length", *bams]
    rows = [[f"Interval_{n}", "21", "1", "9", "+", "8"] for n in range(5)]
    for n, row in enumerate(rows):
        row += [str(n + value) for value in call.numbers(len(bams), 99)]
    text = "".join("\t".join(row) + "\n" for row in [head, *rows])
    write(call.option("-o"), f"# {call.line}{text}")
    return ""


def fastqc(call: Call) -> str:
    base = re.sub(r"\.gz$", "", Path(call.files[0]).name)
    base = re.sub(r"\.(fastq|fq|bam|sam|txt)$", "", base)
    for end in ("_fastqc.html", "_fastqc.zip"):
        write(Path(call.option("--outdir", "-o"), base + end), call.line)
    return ""


def multiqc(call: Call) -> str:
    """Names the folders, not what is in them: in a job of its own that is less than elsewhere."""
    name = re.sub(r"\.html$", "", call.option("-n", "--filename"))
    folders = sorted({a for a in call.arguments if Path(a).is_dir()})
    report = Path(call.option("-o", "--outdir"), name + ".html")
    write(report, "".join(f"{each}\n" for each in [PACKAGE, *folders]))
    return ""


def annotate_peaks(call: Call) -> str:
    rows = [f"peak{n}\t21\t{n}\t{n + 9}\t+\t{v}\tx\tintron\tGENE{n}" for n, v in _few(call)]
    return "PeakID\tChr\tStart\tEnd\tStrand\tScore\tFocus\tAnnotation\tGene\n" + "\n".join(rows)


def _few(call: Call) -> Iterator[tuple[int, int]]:
    return enumerate(call.numbers(6, 1000))


def curl(call: Call) -> bytes:
    """Small data of the kind that the end of the address asks for."""
    (url,) = [a for a in call.arguments if "://" in a]
    if "--head" in call.arguments or "-I" in call.arguments:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n"
    if ".gtf" in url:
        rows = []
        for n in range(30):
            begin, of = 100 + 250 * n, f'gene_id "GENE{n:03}"; gene_name "g{n}"'
            by = f'{of}; transcript_id "T{n:03}"'
            for kind, ids in (("gene", of), ("transcript", by), ("exon", by)):
                rows.append(f"21\tx\t{kind}\t{begin}\t{begin + 200}\t.\t+\t.\t{ids};\n")
        text = "".join(rows)
    elif ".fa" in url:
        bases = "".join("ACGT"[n % 4] for n in call.numbers(6000, 1000))
        text = ">21\n" + "".join(f"{bases[at : at + 60]}\n" for at in range(0, 6000, 60))
    else:
        text = call.line
    return gzip.compress(text.encode(), mtime=0) if url.endswith(".gz") else text.encode()


def rscript(call: Call) -> str:
    """Of a script that Snakemake has made: the files of the list ``output``."""
    scripts = [f for f in call.files if f.endswith(".R") and PREAMBLE_END in _text(f)]
    if not scripts:
        return call.line
    preamble, source = _text(scripts[0]).split(PREAMBLE_END, 1)
    slots: dict[str, str] = {}
    for name in ("input", "output", "params", "wildcards", "config", "threads", "rule"):
        (slots[name],) = re.findall(rf"(?ms)^ *{name} = (.*?),\n *\w+ = ", preamble)[-1:]
    read = [content(Path(path)) for path in quoted(slots["input"])]
    facts = [PACKAGE, source, *read]
    facts += [slots[name] for name in ("params", "wildcards", "config", "threads", "rule")]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    for path in quoted(slots["output"]):
        write(path, f"gene\tvalue\nGENE000\t{digest}\n")
    return ""


def quoted(listed: str) -> list[str]:
    """The values of an R list of texts, without its names."""
    found = re.findall(r"""(["'])((?:(?!\1)[^\\]|\\.)*)\1(\s*=)?""", listed)
    return [value for _, value, is_name in found if not is_name]


def _text(path: str) -> str:
    return Path(path).read_bytes().decode("utf-8", "replace")


SPECIAL = {
    "STAR": star,
    "samtools": samtools,
    "bwa": bwa,
    "macs2": peaks,
    "bedtools": bedtools,
    "featureCounts": feature_counts,
    "fastqc": fastqc,
    "multiqc": multiqc,
    "annotatePeaks.pl": annotate_peaks,
    "curl": curl,
    "Rscript": rscript,
}


def main() -> int:
    first = os.environ.get("PATH", "").split(":")[0]
    if os.environ.get("CONDA_PREFIX") != PREFIX or first != f"{PREFIX}/bin":
        print(f"{sys.argv[0]}: the environment {PREFIX} is not activated", file=sys.stderr)
        return 97
    call = Call(sys.argv[1:])
    option, ends = PREFIXED.get(call.tool, PREFIXED.get(call.name, ("", ())))
    if option and (prefix := call.option(option)):
        for end in ends:
            write(prefix + end, call.line)
    said = SPECIAL[call.name](call) if call.name in SPECIAL else call.line
    for path in call.results:
        write(path, call.line)
    sys.stdout.buffer.write(said if isinstance(said, bytes) else said.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
