"""Flags of files, other buckets, checkpoints, unusual names: one run seen from many sides."""

import pytest

ODD = "a b,'c\"$HOME;é"


@pytest.fixture(scope="module")
def run(flow):
    files = flow("files")
    s3 = files.client("s3")
    s3.create_bucket(Bucket="other-files")
    s3.put_object(Bucket="other-files", Key="deep/in.txt", Body=b"from elsewhere\n")
    files.output = files.succeed()
    return files


def test_temp_is_removed_from_s3_when_its_last_user_is_done(run):
    assert run.text("temp/after.txt") == "here\n"
    assert not (run.stored / "temp/here.txt").exists()
    assert run.text("grouped.txt") == "grouped\n"
    assert not (run.stored / "grouped.tmp").exists()


def test_a_directory_is_stored_and_fetched_whole(run):
    assert run.text("tree/a/x") == "1\n"
    assert run.text("tree.count").strip() == "2"


def test_touch_makes_what_the_command_does_not(run):
    assert run.text("touched") == run.text("dirs/touched") == ""


def test_ensure_accepts_what_is_as_it_should_be(run):
    assert run.text("sure.txt") == "sure\n"
    assert run.text("checked.txt") == "3\n"
    assert run.text("md5.txt") == "other"


def test_report_and_local_files_go_where_they_belong(run):
    assert run.text("reported.txt") == "report\n"
    assert run.text("from_local.txt") == "mine\n"
    assert not (run.stored / "mine.txt").exists()


def test_ancient_unpack_and_multiext_name_the_right_files(run):
    assert run.text("old.txt") == "protected\n"
    assert run.text("unpacked.txt") == "protected\nreport\n"
    assert (run.text("multi.fa.bai"), run.text("multi.fa.fai")) == ("bai\n", "fai\n")


def test_files_of_other_buckets_are_read_and_written(run):
    assert run.text("elsewhere.txt") == "from elsewhere\n"
    given = run.client("s3").get_object(Bucket="other-files", Key="given.txt")
    assert given["Body"].read() == b"given\n"


def test_a_params_function_may_read_an_input(run):
    assert run.text("counted.txt") == "1\n"


def test_scattered_parts_are_gathered(run):
    assert run.text("gathered.txt") == "1-of-2.txt\n2-of-2.txt\n"


def test_a_checkpoints_output_may_be_opened_and_globbed(run):
    assert run.text("opened.txt") == "p\nq\n"
    assert run.text("parts/all.txt") == "x\ny\n"
    assert "Jobs of all_parts run under Snakemake" in run.output


def test_names_keep_spaces_unicode_quotes_and_commas(run):
    assert run.text(f"in dir/{ODD}.txt") == run.text(f"in dir/{ODD}.txt.copy") == ODD
    assert run.text(f"logs/{ODD}.log") == "logged\n"


def test_protected_files_are_not_made_again(run):
    output = run.fail("--forcerun", "protected", "--until", "protected")
    assert "protected" in output
    assert run.text("protected.txt") == "protected\n"
