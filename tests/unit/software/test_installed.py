"""Which packages come along with a job, and how."""

from importlib.metadata import PackagePath

import pytest

from snakemake_executor_plugin_hutchbatch.software.installed import (
    Target,
    closure,
    glibc_of,
    judged,
    packages_of,
    platforms,
)

HERE = Target(3, 11, "x86_64", here=True)
MAC = Target(3, 11, "x86_64", here=False)


class Dist:
    """An installed package."""

    def __init__(self, name, version="1.0", requires=(), files=("x.py",), **texts):
        self.metadata, self.version, self.requires = {"Name": name}, version, list(requires)
        self.files = [PackagePath(file) for file in files] if files else None
        self.texts = {"WHEEL": "Tag: py3-none-any\n", **texts}

    def read_text(self, name):
        return self.texts.get(name)


def tags(*names):
    return "".join(f"Tag: {name}\n" for name in names)


LINUX = tags("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")


@pytest.mark.parametrize(
    ("found", "target", "how"),
    [
        (Dist("pure"), HERE, "copied"),
        (Dist("pure"), MAC, "copied"),
        (Dist("pure", INSTALLER="conda\n"), HERE, "copied"),
        (Dist("c", WHEEL=LINUX), HERE, "copied"),
        (Dist("c", WHEEL=LINUX), MAC, "fetched"),
        (Dist("c", WHEEL=LINUX), Target(3, 11, "aarch64", here=False), "fetched"),
        # Conda's are linked to libraries of its own.
        (Dist("c", WHEEL=LINUX, INSTALLER="conda\n"), HERE, "fetched"),
        (Dist("c", WHEEL=tags("cp311-cp311-macosx_11_0_arm64")), MAC, "fetched"),
        (Dist("c", WHEEL=tags("cp311-cp311-linux_x86_64")), HERE, "fetched"),
        (Dist("egg", WHEEL=None), HERE, "fetched"),
        (Dist("no-record", files=None), HERE, "fetched"),
    ],
)
def test_how_a_package_comes_along(found, target, how):
    assert judged(found, target).how == how


def test_what_only_this_machine_has_stays_and_the_reason_is_said():
    editable = Dist("mine", **{"direct_url.json": '{"dir_info": {"editable": true}}'})
    assert judged(editable, HERE).why == "it is installed in editable mode"
    built = Dist(
        "mine",
        WHEEL=tags("cp311-cp311-linux_x86_64"),
        **{"direct_url.json": '{"url": "https://github.com/lab/mine", "vcs_info": {}}'},
    )
    assert judged(built, HERE).how == "stays"
    assert "compiled parts" in judged(built, HERE).why
    pure = Dist("mine", **{"direct_url.json": '{"url": "https://github.com/lab/mine"}'})
    assert judged(pure, HERE).how == "copied"


def test_requirements_are_followed_as_they_are_in_the_container():
    known = {
        "a": Dist(
            "A",
            requires=[
                "b[extra]>=1",
                "windows; sys_platform == 'win32'",
                "old; python_version < '3'",
                "only-linux>=2; sys_platform == 'linux'",
                "arm; platform_machine == 'aarch64'",
                "tests; extra == 'test'",
                "c; platform_release >= '20.1' and python_version ~= 'x'",
                "not a requirement",
            ],
        ),
        "b": Dist("b", requires=["c; extra == 'extra'", "d; extra == 'other'", "a"]),
        "c": Dist("c"),
    }
    found = closure(["a"], HERE, known.get)
    assert [(p.name, p.requirement, p.how) for p in found] == [
        ("a", "a==1.0", "copied"),
        ("b", "b==1.0", "copied"),
        ("c", "c==1.0", "copied"),
        ("only-linux", "only-linux>=2", "fetched"),
    ]
    arm = closure(["a"], Target(3, 11, "aarch64", here=False), known.get)
    assert "arm" in [p.name for p in arm]


def test_the_glibc_of_a_wheel_is_the_least_that_one_of_its_tags_asks_for():
    assert glibc_of("manylinux_2_17_x86_64.manylinux2014_x86_64", "x86_64") == 17
    assert glibc_of("manylinux_2_28_x86_64", "x86_64") == 28
    assert glibc_of("manylinux1_x86_64", "x86_64") == 5
    assert glibc_of("manylinux_2_17_aarch64", "x86_64") is None
    assert glibc_of("musllinux_1_2_x86_64", "x86_64") is None
    assert judged(Dist("c", WHEEL=LINUX), HERE).glibc == 17
    assert platforms("aarch64")[0] == "manylinux_2_28_aarch64"
    assert "manylinux2014_aarch64" in platforms("aarch64")


def test_modules_are_known_by_their_packages():
    providers = {"odd": [None], "yaml": ["PyYAML"], "google": ["google-auth", "protobuf"]}
    assert packages_of(["yaml", "google", "nobody", "odd"], providers) == {
        *("pyyaml", "google-auth", "protobuf"),
    }
