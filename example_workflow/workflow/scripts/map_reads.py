"""Map paired reads with minimap2 (its Python module, mappy) and write SAM.

minimap2 finds where each read belongs; the lines below put that into SAM's columns.
"""

import argparse
import gzip

import mappy

PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, REVERSE, MATE_REVERSE = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
FIRST, SECOND = 0x40, 0x80
MAX_FRAGMENT = 1000  # the ends of one fragment lie closer than this


def best_hits(aligner, first, second):
    """Each read's primary alignment, or None."""
    best = {1: None, 2: None}
    for hit in aligner.map(first, second):
        if hit.is_primary and best[hit.read_num] is None:
            best[hit.read_num] = hit
    return best[1], best[2]


def is_proper(hit, mate):
    """Do the two ends face each other, as the ends of one fragment do?"""
    if not (hit and mate) or hit.ctg != mate.ctg or hit.strand == mate.strand:
        return False
    forward, reverse = (hit, mate) if hit.strand == 1 else (mate, hit)
    return 0 < reverse.r_en - forward.r_st <= MAX_FRAGMENT


def clipped_cigar(hit, length):
    """The CIGAR string with the unaligned ends of the read, which mappy leaves out."""
    left, right = hit.q_st, length - hit.q_en
    if hit.strand == -1:
        left, right = right, left
    return (f"{left}S" if left else "") + hit.cigar_str + (f"{right}S" if right else "")


def template_length(hit, mate):
    """SAM's TLEN: leftmost to rightmost base of the pair, negative for the right one."""
    if not (hit and mate) or hit.ctg != mate.ctg:
        return 0
    span = max(hit.r_en, mate.r_en) - min(hit.r_st, mate.r_st)
    leftmost = (hit.r_st, -hit.strand) <= (mate.r_st, -mate.strand)
    return span if leftmost else -span


def sam_line(name, bases, qualities, hit, mate, number, read_group):
    """One read as a line of SAM."""
    flag = PAIRED | (FIRST if number == 1 else SECOND)
    if is_proper(hit, mate):
        flag |= PROPER
    if mate is None:
        flag |= MATE_UNMAPPED
    elif mate.strand == -1:
        flag |= MATE_REVERSE
    place = hit or mate  # an unmapped read is filed beside its mate
    contig, position = (place.ctg, place.r_st + 1) if place else ("*", 0)
    quality, cigar, tags = 0, "*", [f"RG:Z:{read_group}"]
    if hit is None:
        flag |= UNMAPPED
    else:
        quality, cigar = hit.mapq, clipped_cigar(hit, len(bases))
        tags.append(f"NM:i:{hit.NM}")
        if hit.strand == -1:
            flag |= REVERSE
            bases, qualities = mappy.revcomp(bases), qualities[::-1]
    mate_place = mate or hit
    if mate_place is None:
        mate_contig, mate_position = "*", 0
    else:
        mate_contig = "=" if mate_place.ctg == contig else mate_place.ctg
        mate_position = mate_place.r_st + 1
    columns = (
        *(name, flag, contig, position, quality, cigar),
        *(mate_contig, mate_position, template_length(hit, mate), bases, qualities),
    )
    return "\t".join(map(str, (*columns, *tags)))


def main():
    """Map all pairs of two FASTQ files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genome", required=True)
    parser.add_argument("--sample", required=True)
    parser.add_argument("--r1", required=True)
    parser.add_argument("--r2", required=True)
    parser.add_argument("--sam", required=True, help="gzipped SAM to write")
    args = parser.parse_args()

    aligner = mappy.Aligner(args.genome, preset="sr")
    if not aligner:
        raise SystemExit(f"minimap2 cannot read the genome {args.genome}.")
    pairs = mapped = 0
    with gzip.open(args.sam, "wt", compresslevel=1) as sam:
        print("@HD\tVN:1.6\tSO:unsorted", file=sam)
        for contig in aligner.seq_names:
            print(f"@SQ\tSN:{contig}\tLN:{len(aligner.seq(contig))}", file=sam)
        print(f"@RG\tID:{args.sample}\tSM:{args.sample}\tPL:ILLUMINA", file=sam)
        print(f"@PG\tID:minimap2\tPN:minimap2\tVN:{mappy.__version__}", file=sam)
        seconds = mappy.fastx_read(args.r2)
        for name, bases1, qualities1 in mappy.fastx_read(args.r1):
            _, bases2, qualities2 = next(seconds)
            hit1, hit2 = best_hits(aligner, bases1, bases2)
            print(sam_line(name, bases1, qualities1, hit1, hit2, 1, args.sample), file=sam)
            print(sam_line(name, bases2, qualities2, hit2, hit1, 2, args.sample), file=sam)
            pairs += 1
            mapped += (hit1 is not None) + (hit2 is not None)
    print(f"{args.sample}: {mapped} of {2 * pairs} reads mapped")


if __name__ == "__main__":
    main()
