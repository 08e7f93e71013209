"""The container's command in images of all kinds, as far as PATH and files can make them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import marshal
import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from snakemake_executor_plugin_hutchbatch.planning import supervisor_bundle
from snakemake_executor_plugin_hutchbatch.supervisor.taskspec import Output, Step

from .conftest import Container, Store

PACKAGE = Path(supervisor_bundle.__file__).parents[1]
PYTHON = str(Path(sys.executable).resolve())


def echo(container: Container, store: Store) -> object:
    return container.task(
        steps=(Step("e", "echo hi > out", outputs=(Output("out", store.url("out")),)),)
    )


def image(tmp_path: Path, **programs: str) -> str:
    """A PATH with bash and the given programs (scripts) only."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "bash").symlink_to(str(shutil.which("bash")))
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_command_is_sh_alone_and_leaves_space_for_variables() -> None:
    command = supervisor_bundle.container_command("/home/ec2-user/mini conda's/")
    assert command[:2] == ["/bin/sh", "-c"]
    # AWS may count it among the 8,192 characters of a job's overrides.
    assert len(json.dumps(command)) < 6100
    assert "Ref::" not in command[2]
    assert command == supervisor_bundle.container_command("/home/ec2-user/mini conda's/")


def test_the_bundle_is_the_same_bytes_for_the_same_sources(tmp_path: Path) -> None:
    data = supervisor_bundle.bundle()
    supervisor_bundle.bundle.cache_clear()
    assert supervisor_bundle.bundle() == data
    assert supervisor_bundle.bundle_sha256() == hashlib.sha256(data).hexdigest()
    assert "hutchbatch_supervisor.main" in json.loads(zlib.decompress(data))
    # In another process, too: the bundle's address is a part of what jobs are compared by.
    code = f"from {supervisor_bundle.__name__} import bundle_sha256; print(bundle_sha256())"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(tmp_path / seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == supervisor_bundle.bundle_sha256()


def _modules(data: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Sources and compiled modules of a bundle."""
    unpacker = zlib.decompressobj()
    sources = json.loads(unpacker.decompress(data))
    number, packed = unpacker.unused_data[:4], unpacker.unused_data[4:]
    assert number == importlib.util.MAGIC_NUMBER
    return sources, marshal.loads(zlib.decompress(packed))  # noqa: S302  our own


def _bundle_of(sources: dict[str, str], number: bytes, compiled: dict[str, bytes]) -> bytes:
    packed = zlib.compress(marshal.dumps(compiled, 2))
    return zlib.compress(json.dumps(sources).encode()) + number + packed


@pytest.mark.parametrize("same", [True, False], ids=["the same Python", "another Python"])
def test_a_python_uses_what_was_compiled_for_it_and_else_the_sources(
    container: Container, store: Store, same: bool
) -> None:
    sources, compiled = _modules(supervisor_bundle.bundle())
    name = f"{supervisor_bundle.PACKAGE}.main"
    assert name in compiled or sys.version_info >= (3, 14)
    spoken = 'import os\nos.write(2, b"compiled")\nos._exit(5)'
    compiled[name] = marshal.dumps(compile(spoken, name, "exec"), 2)
    sources[name] = spoken.replace("compiled", "source").replace("5", "6")
    number = importlib.util.MAGIC_NUMBER if same else b"\0\0\r\n"
    data = _bundle_of(sources, number, compiled)
    url = store.put("supervisor/" + hashlib.sha256(data).hexdigest(), data)
    ended = container.with_(environ={"HUTCHBATCH_SUPERVISOR": url}).run(echo(container, store))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == ((5, "compiled") if same else (6, "source"))


def test_every_module_is_python_3_8() -> None:
    for path in (PACKAGE / "supervisor").glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))
    ast.parse(supervisor_bundle.carried(), feature_version=(3, 8))


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.12", "3.13"])
def test_other_pythons_serve(container: Container, store: Store, version: str) -> None:
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} here")
    ended = container.with_(cli_prefix=str(found[-1].parents[1])).run(echo(container, store))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == (0, "")
    assert store.get("out") == b"hi\n"


def test_the_images_own_python3_serves_without_the_hosts(
    container: Container, store: Store, tmp_path: Path
) -> None:
    path = image(tmp_path, python3=f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    there = container.with_(cli_prefix="/nowhere", environ={"PATH": path})
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == (0, "")


def test_an_image_without_any_python_ends_with_what_to_do(
    container: Container, store: Store, tmp_path: Path
) -> None:
    there = container.with_(cli_prefix="/nowhere", environ={"PATH": image(tmp_path)})
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert ended.code == 214
    assert ended.err.count("\n") == 1
    assert "no Python runs in this container" in ended.err
    assert "/nowhere" in ended.err


def test_a_python_2_is_no_python(container: Container, store: Store, tmp_path: Path) -> None:
    path = image(tmp_path, python="#!/bin/sh\necho 'Unknown option: -I' >&2\nexit 2\n")
    ended = container.with_(cli_prefix="/nowhere", environ={"PATH": path}).run(
        echo(container, store)  # type: ignore[arg-type]
    )
    assert ended.code == 214


def test_a_python_that_lacks_a_module_hands_over_to_the_next(
    container: Container, store: Store, tmp_path: Path
) -> None:
    prefix = tmp_path / "host"
    (prefix / "bin").mkdir(parents=True)
    # A host's Python whose ssl cannot be imported, as when its libraries are missing.
    spell = "import sys;sys.modules[0]=sys.modules['ssl']=None"
    broken = prefix / "bin" / "python"
    broken.write_text(f'#!/bin/sh\nc=$4\nn=$5\nexec {PYTHON} -IBS -Xutf8 -c "{spell}\n$c" "$n"\n')
    broken.chmod(0o755)
    # The next one is handed the same code, the spell included: it takes that away again.
    good = image(
        tmp_path,
        python3=f'#!/bin/sh\nc=${{4#*=None}}\nexec {PYTHON} -IBS -Xutf8 -c "$c"\n',
    )
    there = container.with_(cli_prefix=str(prefix), environ={"PATH": good})
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == (0, "")


@pytest.fixture
def old_glibc(tmp_path: Path) -> tuple[str, ...]:
    """A mount namespace in which libc is laid out as before glibc 2.34: behind a link."""
    libc = Path(os.path.realpath(f"/lib/{os.uname().machine}-linux-gnu/libc.so.6"))
    upper = tmp_path / "upper"
    upper.mkdir()
    shutil.copy(libc, upper / "libc-2.12.so")
    (upper / "libc.so.6").symlink_to("libc-2.12.so")
    layers = f"lowerdir={upper}:{libc.parent}"
    wrapper = (
        *(shutil.which("unshare") or "unshare", "-m", "/bin/sh", "-c"),
        f'{shutil.which("mount")} -t overlay overlay -o {layers} {libc.parent} && exec "$@"',
        "sh",
    )
    tried = subprocess.run([*wrapper, "true"], check=False, stderr=subprocess.DEVNULL)
    if tried.returncode:
        pytest.skip("another layout of libc needs root and overlays")
    return wrapper


def host_python(tmp_path: Path, text: str) -> str:
    prefix = tmp_path / "host"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").write_text(text)
    (prefix / "bin" / "python").chmod(0o755)
    return str(prefix)


@pytest.mark.parametrize("code", [1, 127])
def test_a_hosts_python_that_does_not_start_on_an_old_glibc_gives_way_to_the_images(
    container: Container, store: Store, tmp_path: Path, old_glibc: tuple[str, ...], code: int
) -> None:
    prefix = host_python(tmp_path, f"#!/bin/sh\necho GLIBC_2.17 not found >&2\nexit {code}\n")
    path = image(tmp_path, python3=f'#!/bin/sh\nexec {PYTHON} "$@"\n')
    there = container.with_(cli_prefix=prefix, environ={"PATH": path}, wrapper=old_glibc)
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert (ended.code, ended.err) == (0, "")


def test_an_old_image_without_a_python_that_starts_ends_with_what_to_do(
    container: Container, store: Store, tmp_path: Path, old_glibc: tuple[str, ...]
) -> None:
    bad = "#!/bin/sh\nexit 127\n"
    prefix, path = host_python(tmp_path, bad), image(tmp_path, python3=bad)
    there = container.with_(cli_prefix=prefix, environ={"PATH": path}, wrapper=old_glibc)
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert ended.code == 214
    assert "no Python runs in this container" in ended.err
    assert ended.err.count("\n") == 1


def test_a_supervisor_that_is_not_the_submitted_one_is_refused(
    container: Container, store: Store
) -> None:
    other = store.put("supervisor/" + "0" * 64, supervisor_bundle.bundle())
    there = container.with_(environ={"HUTCHBATCH_SUPERVISOR": other})
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert ended.code == 219
    assert "has been changed" in ended.err


def test_a_supervisor_that_cannot_be_fetched_is_reported_as_such(
    container: Container, store: Store
) -> None:
    there = container.with_(environ={"HUTCHBATCH_SUPERVISOR": store.url("gone")})
    ended = there.run(echo(container, store))  # type: ignore[arg-type]
    assert ended.code == 210
    assert f"hutchbatch's own code could not be read: {store.url('gone')}: " in ended.said
    assert ended.reported is not None
    assert ended.reported.facts is not None
    assert (ended.reported.cause, ended.reported.facts.http_status) == ("STAGE_IN", 404)
    assert "job role" not in ended.said


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """A process namespace, as every container has one."""
    wrapper = ("unshare", "-fp", "--mount-proc")
    if subprocess.run([*wrapper, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a process namespace needs root")
    return wrapper


def test_as_process_1_it_leaves_no_zombies(
    container: Container, namespace: tuple[str, ...]
) -> None:
    task = container.task(
        steps=(
            Step("z", "for i in $(seq 20); do (setsid true &); done; sleep 0.3; ps -e | cat"),
            Step("p", "echo $PPID; (setsid sleep 300 &); exit 0", level=1),
        )
    )
    ended = container.with_(wrapper=namespace).run(task)
    assert ended.code == 0, ended.err
    assert "defunct" not in ended.out
    assert ended.out.splitlines()[-1] == "1"


def test_as_process_1_it_hears_the_stop(container: Container, namespace: tuple[str, ...]) -> None:
    there = container.with_(wrapper=namespace)
    process = there.start(there.task(steps=(Step("s", "echo go; exec sleep 300"),)))
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    ended = there.finish(process)
    assert ended.code == 143
    assert ended.status is not None
    assert ended.status.cause == "TERMINATED"
