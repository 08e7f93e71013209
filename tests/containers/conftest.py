"""Real containers: an engine, images made here, and a cloud whose jobs run in them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import container_images as made
import pytest
from straight import Straight
from workflows import Workflow

from snakemake_executor_plugin_hutchbatch.containers.engines import NoEngine, find_engine
from snakemake_executor_plugin_hutchbatch.containers.host_python import host_python
from snakemake_executor_plugin_hutchbatch.local.cloud import LocalCloud

#: An ENTRYPOINT as well-made images have it.
HANDS_ON = '#!/bin/sh\nexport ENTERED=yes\nexec "$@"\n'


def lacking(what: str):
    """These tests cannot be: elsewhere a pity, in CI a failure."""
    sentence = f"no container tests here: {what} (bash tests/run installs it, as root)"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def engine():
    missing = [name for name in made.NEEDED if shutil.which(name) is None]
    if missing:
        lacking(f"{', '.join(missing)} missing")
    try:
        return find_engine(os.environ.get("HUTCHBATCH_TEST_ENGINE", "auto"))
    except NoEngine as error:
        lacking(str(error))


class Images:
    """The names of the images, each built when it is first asked for."""

    def __init__(self, engine, keep: Path) -> None:
        self._engine = engine
        self._keep = keep
        self._built: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._built:
            tree, *changes = self._recipe(name)
            self._built[name] = made.build(self._engine, name, tree, *changes)
        return self._built[name]

    def _recipe(self, name: str):
        if name == "entrypoint":
            tree = made.plain()
            tree.texts["/entrypoint.sh"] = HANDS_ON
            return tree, 'ENTRYPOINT ["/entrypoint.sh"]'
        recipes = {
            "plain": lambda: (made.plain(),),
            "python": lambda: (made.with_python(), "ENV PATH=/usr/local/bin:/usr/bin:/bin"),
            "musl": lambda: (made.without_glibc(),),
            "musl-python": lambda: (made.without_glibc_but_python(host_python(self._keep)),),
            "tool": lambda: (made.plain(), 'ENTRYPOINT ["/usr/bin/wc"]'),
            "shell-entrypoint": lambda: (made.plain(), 'ENTRYPOINT ["/bin/sh", "-c"]'),
            "user": lambda: (made.plain(), "USER 1000"),
            "no-bash": lambda: (made.shell_only(),),
            "containerized": lambda: (made.containerized(),),
            "empty": lambda: (made.Tree(),),
            "snakemake": lambda: (
                made.with_snakemake(),
                "ENV PATH=/usr/local/bin:/usr/bin:/bin",
                "ENV PYTHONPATH=/opt/snakemake",
            ),
        }
        return recipes[name]()


@pytest.fixture(scope="session")
def images(engine, tmp_path_factory):
    return Images(engine, tmp_path_factory.mktemp("python"))


@pytest.fixture(scope="session")
def cloud(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    with LocalCloud(folder, containers=engine.program, capacity=(8, 8192)) as running:
        yield running
    label = f"--filter=label=hutchbatch.directory={folder}/hosts"
    assert engine.run("ps", "--all", "--quiet", label).stdout == "", "containers are left behind"


@pytest.fixture
def workflow(cloud, tmp_path, request):
    return Workflow(cloud, tmp_path, request.node.name.replace("[", "-").strip("]"))


@pytest.fixture
def straight(workflow):
    return Straight(workflow.cloud, workflow.client)
