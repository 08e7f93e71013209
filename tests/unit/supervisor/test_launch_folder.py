"""The folder of the launch in texts: found where it is meant, and nowhere else."""

import pytest

from snakemake_executor_plugin_hutchbatch.supervisor.launch_folder import (
    everywhere,
    inside,
    names,
    replaced,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat /srv/p/x", "cat W/x"),
        ("cd /srv/p", "cd W"),
        ("cd /srv/p; ls", "cd W; ls"),
        ("(cd /srv/p)", "(cd W)"),
        ("PYTHONPATH=/srv/p:x run", "PYTHONPATH=W:x run"),
        ("PATH=$PATH:/srv/p/bin run", "PATH=$PATH:W/bin run"),
        ("cc -I/srv/p/include", "cc -IW/include"),
        ("sh '/srv/p/a b.sh'", "sh 'W/a b.sh'"),
        ('--in="/srv/p"', '--in="W"'),
        ("cat </srv/p/x >/srv/p/y", "cat <W/x >W/y"),
        ("curl file:///srv/p/x", "curl file://W/x"),
        ("made in /srv/p.", "made in W."),
        ("a,/srv/p/b,/srv/p", "a,W/b,W"),
    ],
)
def test_where_it_is_a_path_or_the_beginning_of_one_it_is_replaced(text, expected):
    assert replaced(text, ["/srv/p"], "W") == expected


@pytest.mark.parametrize(
    "text",
    [
        "curl https://example.org/srv/p/x",
        "curl http://localhost:8080/srv/p/x",
        "aws s3 cp s3://bucket/srv/p/x -",
        "aws s3 cp s3://srv/p/x -",
        "cat results/srv/p/x ../srv/p ~/srv/p",
        "cat /mnt/srv/p/x",
        "cat /srv/project/x /srv/p-old/x /srv/p.bak /srv/p_2 /srv/p..x",
        "cat $ROOT/srv/p/x ${ROOT}/srv/p/x",
        "scp me@gizmo.fhcrc.org:/srv/p/x .",
        "sed s/srv/p/",
        "/srv/pé",
    ],
)
def test_inside_other_text_it_stays(text):
    assert replaced(text, ["/srv/p"], "W") == text


def test_a_folder_that_a_shell_wants_quoted_is_found_quoted_and_plain():
    folder = "/srv/it's mine"
    quoted = "cat '/srv/it'\"'\"'s mine/x' \"/srv/it's mine/y\""
    assert replaced(quoted, [folder], "/w") == "cat '/w/x' \"/w/y\""


def test_its_names_are_those_of_links_that_lead_to_it(tmp_path):
    folder, link, other = tmp_path / "real", tmp_path / "link", tmp_path / "other"
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow" / "Snakefile").touch()
    link.symlink_to(folder)
    other.mkdir()
    found = names(str(folder), [f"{link}/workflow/Snakefile", str(other), "workflow", "/nowhere"])
    assert set(found) == {str(folder), str(link)}
    assert replaced(f"cd {link}/x {folder}/x", found, "W") == "cd W/x W/x"


def test_the_root_of_all_files_is_never_replaced():
    assert names("/", []) == ()


def test_a_file_below_it_has_a_relative_place():
    assert inside("/srv/p/out/c.txt", ["/srv/p"]) == "out/c.txt"
    assert inside("/srv/pq/c.txt", ["/srv/p"]) == "/srv/pq/c.txt"
    assert inside("out/c.txt", ["/srv/p"]) == "out/c.txt"


def test_all_texts_of_a_configuration_are_looked_at():
    config = {"ref": "/srv/p/ref.fa", "list": ["/srv/p", 3, None], "url": "https://x.org/srv/p"}
    wanted = {"ref": "W/ref.fa", "list": ["W", 3, None], "url": "https://x.org/srv/p"}
    assert everywhere(config, ["/srv/p"], "W") == wanted
