"""A conda channel of stand-ins, made by our own code, indexed by py-rattler, served on loopback.

``stand_ins(folder)`` makes the channel that most tests use; ``ChannelServer`` serves one or more
folders and notes every request. Packages are small, but all that conda does with one is in them:
prefixes in text and in a binary, links, entry points, activation, link scripts.
"""

from __future__ import annotations

import asyncio
import base64
import bz2
import contextlib
import hashlib
import http.server
import io
import json
import os
import struct
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Where packages believe that they are installed, as conda-build writes it: 255 characters.
PLACEHOLDER = "/opt/stand_ins".ljust(255, "_")
#: The Python of these tests, which stands for the environments' own.
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{PYTHON}/site-packages"
CONDA, TAR_BZ2 = ".conda", ".tar.bz2"
_FIXED_TIME = 946_684_800


@dataclass(frozen=True)
class File:
    """``prefix``: its content has ``PLACEHOLDER``, as ``text`` or ``binary``. ``link``: it is a
    symbolic link to that path."""

    content: bytes = b""
    mode: int = 0o644
    prefix: str | None = None
    link: str | None = None


def script(text: str, prefix: bool = False) -> File:
    return File(text.encode(), 0o755, "text" if prefix else None)


def text(content: str, prefix: bool = False) -> File:
    return File(content.encode(), 0o644, "text" if prefix else None)


def binary(before: bytes, after: bytes) -> File:
    """As a compiled program has it: the prefix within a C string."""
    content = b"\x7fELF\0" + before + PLACEHOLDER.encode() + after + b"\0\xff\xfe"
    return File(content, 0o755, "binary")


@dataclass(frozen=True)
class Package:
    """What becomes a package. ``files``: by their path in the environment, in ``site-packages/`` if
    it is a noarch Python one, whose ``entry_points`` are ``command = module:function``."""

    name: str
    version: str = "1.0"
    depends: tuple[str, ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    build_number: int = 0
    build: str = ""
    timestamp: int = 1_600_000_000_000

    @property
    def subdir(self) -> str:
        return "noarch" if self.noarch else "linux-64"

    @property
    def build_string(self) -> str:
        return self.build or f"h1_{self.build_number}"

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build_string}"


class Channel:
    """A folder that is a channel once it is indexed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for subdir in ("linux-64", "noarch"):
            (folder / subdir).mkdir(parents=True, exist_ok=True)

    def add(self, package: Package, suffix: str = CONDA) -> Path:
        """Writes a package; ``index`` makes it known."""
        path = self.folder / package.subdir / f"{package.stem}{suffix}"
        path.write_bytes(archive(package, suffix))
        return path

    def index(self) -> Channel:
        from rattler.index import index_fs  # noqa: PLC0415

        asyncio.run(index_fs(self.folder, write_zst=True, write_shards=False, force=True))
        return self

    def repodata(self, subdir: str) -> dict[str, object]:
        """What the channel says of its packages, by file name."""
        found = json.loads((self.folder / subdir / "repodata.json").read_text())
        return {**found["packages"], **found["packages.conda"]}

    def change_repodata(self, subdir: str, change) -> None:
        """Lets the channel say something else: ``change`` gets each file's name and record."""
        path = self.folder / subdir / "repodata.json"
        found = json.loads(path.read_text())
        for group in ("packages", "packages.conda"):
            for name, record in found[group].items():
                change(name, record)
        path.write_text(json.dumps(found))
        for other in (self.folder / subdir).glob("repodata*.zst"):
            other.unlink()

    def path(self, stem: str) -> Path:
        """The file of a package, by ``name-version-build`` or the beginning of it."""
        (found,) = [
            path
            for path in self.folder.glob("*/*")
            if path.name.startswith(stem) and path.name.endswith((CONDA, TAR_BZ2))
        ]
        return found


# --- archives


def archive(package: Package, suffix: str = CONDA) -> bytes:
    """The bytes of a package file."""
    content, info = _members(package)
    if suffix == TAR_BZ2:
        return bz2.compress(_tar({**info, **content}))
    parts = {"pkg": _tar(content), "info": _tar(info)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as zipped:
        _put(zipped, "metadata.json", b'{"conda_pkg_format_version": 2}')
        for part, tarred in parts.items():
            _put(zipped, f"{part}-{package.stem}.tar.zst", stored_zstd(tarred))
    return out.getvalue()


def _put(zipped: zipfile.ZipFile, name: str, content: bytes) -> None:
    zipped.writestr(zipfile.ZipInfo(name), content)


def stored_zstd(content: bytes) -> bytes:
    """A Zstandard frame that compresses nothing (RFC 8878), for Pythons without ``zstd``."""
    # magic; one segment, content size in 8 bytes, no checksum, no dictionary
    out = [struct.pack("<IBQ", 0xFD2FB528, 0b11100000, len(content))]
    size = 128 * 1024
    for start in range(0, max(len(content), 1), size):
        block = content[start : start + size]
        last = start + size >= len(content)
        out.append(struct.pack("<I", len(block) << 3 | last)[:3] + block)  # a raw block
    return b"".join(out)


def _tar(members: Mapping[str, File]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, file in members.items():
            member = tarfile.TarInfo(name)
            member.mtime, member.mode = _FIXED_TIME, file.mode
            if file.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, file.link
                tar.addfile(member)
            else:
                member.size = len(file.content)
                tar.addfile(member, io.BytesIO(file.content))
    return out.getvalue()


def _members(package: Package) -> tuple[dict[str, File], dict[str, File]]:
    """The package's files, and what describes them."""
    index = {
        "name": package.name,
        "version": package.version,
        "build": package.build_string,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "subdir": package.subdir,
        "timestamp": package.timestamp,
        "license": "MIT",
        **({"noarch": package.noarch} if package.noarch else {"arch": "x86_64"}),
        **({} if package.noarch else {"platform": "linux"}),
    }
    info = {
        "info/index.json": text(json.dumps(index)),
        "info/paths.json": text(
            json.dumps(
                {
                    "paths": [_path(name, file) for name, file in package.files.items()],
                    "paths_version": 1,
                }
            )
        ),
        "info/files": text("".join(f"{name}\n" for name in package.files)),
        "info/about.json": text(json.dumps({"license": "MIT", "summary": "a stand-in"})),
    }
    prefixed = [
        f'"{PLACEHOLDER}" {file.prefix} "{name}"\n'
        for name, file in package.files.items()
        if file.prefix
    ]
    if prefixed:
        info["info/has_prefix"] = text("".join(prefixed))
    if package.noarch:
        noarch: dict[str, object] = {"type": package.noarch}
        if package.entry_points:
            noarch["entry_points"] = list(package.entry_points)
        link = {"noarch": noarch, "package_metadata_version": 1}
        info["info/link.json"] = text(json.dumps(link))
    return dict(package.files), info


def _path(name: str, file: File) -> dict[str, object]:
    content = file.content
    return {
        "_path": name,
        "path_type": "softlink" if file.link is not None else "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
        **({"file_mode": file.prefix, "prefix_placeholder": PLACEHOLDER} if file.prefix else {}),
    }


# --- the stand-ins


def python(version: str = f"{PYTHON}.7") -> Package:
    """Stands for Python: the real one of these tests, which takes the environment for its own.

    A ``pyvenv.cfg`` does that, so that packages and pip's installs land in the environment.
    """
    real = os.path.realpath(sys.executable)
    home = f"home = {Path(real).parent}\ninclude-system-site-packages = false\n"
    return Package(
        "python",
        version,
        files={
            f"bin/python{PYTHON}": File(mode=0o777, link=real),
            "bin/python3": File(mode=0o777, link=f"python{PYTHON}"),
            "bin/python": File(mode=0o777, link=f"python{PYTHON}"),
            "pyvenv.cfg": text(f"{home}version = {version}\n"),
            f"{SITE}/README.txt": text("packages of this environment\n"),
        },
        build=f"h1_0_cp{PYTHON.replace('.', '')}",
    )


def pip() -> Package:
    """The real pip, from the wheel that Python has with it."""
    import ensurepip  # noqa: PLC0415

    bundled = Path(ensurepip.__file__).parent / "_bundled"
    others = Path("/usr/share/python-wheels")  # where Debian has it
    wheel = min([*bundled.glob("pip-*.whl"), *others.glob("pip-*.whl")])
    with zipfile.ZipFile(wheel) as opened:
        files = {
            f"site-packages/{name}": File(opened.read(name))
            for name in opened.namelist()
            if not name.endswith("/")
        }
    return Package(
        "pip",
        wheel.name.split("-")[1],
        depends=("python",),
        files=files,
        noarch="python",
        entry_points=("pip = pip._internal.cli.main:main",),
        build="pyh1_0",
    )


def tool(version: str, depends: Iterable[str] = ()) -> Package:
    """A program ``tool`` that says its version and where it is, with its prefix in a script, in a
    text and in a binary."""
    return Package(
        "tool",
        version,
        depends=tuple(depends),
        files={
            "bin/tool": script(
                f'#!/bin/sh\n# of {PLACEHOLDER}\necho "tool {version} in {PLACEHOLDER}"\n', True
            ),
            "share/tool/settings.ini": text(f"data = {PLACEHOLDER}/share/tool/data\n", True),
            "share/tool/data/words.txt": text("words\n"),
            "lib/libtool.so": binary(b"RUNPATH=", b"/lib:"),
            "lib/libtool.so.1": File(mode=0o777, link="libtool.so"),
        },
    )


def noarch_tool() -> Package:
    """A noarch Python package with a command ``greet``."""
    module = "import sys\n\ndef main():\n    print('greetings from', sys.prefix)\n"
    metadata = "Metadata-Version: 2.1\nName: greetings\nVersion: 2.0\n"
    return Package(
        "greetings",
        "2.0",
        depends=("python >=3.8",),
        noarch="python",
        files={
            "site-packages/greetings.py": text(module),
            "site-packages/greetings-2.0.dist-info/METADATA": text(metadata),
        },
        entry_points=("greet = greetings:main",),
        build="pyh2_0",
    )


def generic() -> Package:
    return Package(
        "wordlist",
        "2024",
        files={"share/wordlist/list.txt": text("one\ntwo\n")},
        noarch="generic",
        build="hd_0",
    )


def activated() -> Package:
    """Sets variables when its environment is activated, uses unset ones, and takes them back."""
    return Package(
        "activated",
        files={
            "etc/conda/activate.d/activated.sh": text(
                'export ACTIVATED_HOME="$CONDA_PREFIX/share/activated"\n'
                "export ACTIVATED_OLD=$NOBODY_HAS_SET_THIS\n"
            ),
            "etc/conda/deactivate.d/activated.sh": text("unset ACTIVATED_HOME ACTIVATED_OLD\n"),
            "etc/conda/env_vars.d/activated.json": text('{"ACTIVATED_VAR": "from a package"}'),
            "share/activated/here.txt": text("here\n"),
        },
    )


def linked() -> Package:
    """Its link scripts leave traces: the one before linking beside the other packages' files, the
    one after it in a file, with what conda gives to both, and in what conda shows to users."""
    after = (
        "#!/bin/bash\n"
        'echo "$PREFIX $PKG_NAME $PKG_VERSION $PKG_BUILDNUM" > "$PREFIX/share/linked/after.txt"\n'
        'echo "linked says hello" >> "$PREFIX/.messages.txt"\n'
    )
    return Package(
        "linked",
        files={
            "share/linked/about.txt": text(f"linked in {PLACEHOLDER}\n", True),
            "bin/.linked-pre-link.sh": script("#!/bin/bash\ntrue\n"),
            "bin/.linked-post-link.sh": script(after),
        },
    )


def failing_link() -> Package:
    """Its script after linking fails, as those of packages that download data do at times."""
    return Package(
        "faillink",
        files={
            "share/faillink.txt": text("x\n"),
            "bin/.faillink-post-link.sh": script("#!/bin/bash\necho no data >&2\nexit 7\n"),
        },
    )


def stand_ins(folder: Path) -> Channel:
    """The channel that tests use if they need nothing special, indexed.

    | package | what it is for |
    |---|---|
    | python, pip | the interpreter of the tests, real pip |
    | tool 1.0, 1.5, 2.0 | versions; prefixes; 1.0 and 1.5 are ``.tar.bz2`` |
    | addon 1.0, 2.0 | 1.0 needs tool <2, 2.0 tool >=2 |
    | greetings, wordlist | noarch: Python with a command, generic |
    | activated | activation, with variables |
    | linked, faillink | link scripts: one that works, one that fails |
    | unmeetable | needs what there is not |
    | newsystem, graphics | need glibc 2.99, CUDA 12 |
    | corrupt, truncated | other bytes than the channel says, fewer than it says |
    """
    channel = Channel(folder)
    for version in ("1.0", "1.5"):
        channel.add(tool(version), TAR_BZ2)
    channel.add(tool("2.0"))
    channel.add(Package("addon", "1.0", depends=("tool <2",)))
    channel.add(Package("addon", "2.0", depends=("tool >=2",)))
    for package in (python(), pip(), noarch_tool(), generic(), activated(), linked()):
        channel.add(package)
    channel.add(failing_link())
    channel.add(Package("unmeetable", depends=("nobody-makes-this >=3",)))
    channel.add(Package("newsystem", depends=("__glibc >=2.99",)))
    channel.add(Package("graphics", depends=("__cuda >=12",)))
    filler = {"share/filler.bin": File(bytes(range(256)) * 4096)}
    corrupt = channel.add(Package("corrupt", files=filler), TAR_BZ2)
    truncated = channel.add(Package("truncated", files=filler), TAR_BZ2)
    channel.index()
    content = bytearray(corrupt.read_bytes())
    content[len(content) // 2] ^= 0xFF
    corrupt.write_bytes(content)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    return channel


def wheel(folder: Path, name: str = "pippet", version: str = "1.0") -> Path:
    """A wheel with a module and a command of its name, for ``pip install --no-index``."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"def main():\n    print('{name} {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as opened:
        for inner, content in {**files, f"{info}/RECORD": record}.items():
            opened.writestr(inner, content)
    return path


# --- the server


@dataclass(frozen=True)
class Request:
    """``path``: as it was asked for, with any token; ``authorization``: the header, if any."""

    method: str
    path: str
    status: int
    authorization: str | None = None


class ChannelServer:
    """Serves the folders in ``root``, each a channel, on 127.0.0.1. A context manager.

    ``token``: channels lie behind ``/t/TOKEN/``; ``user``: name and password that each request
    must bring; ``bearer``: a token that each must bring. ``broken``: answers by the end of a
    path: a status, for as many requests as are left.
    """

    def __init__(
        self,
        root: Path,
        token: str | None = None,
        user: tuple[str, str] | None = None,
        bearer: str | None = None,
    ) -> None:
        self.root, self.token, self.user, self.bearer = root, token, user, bearer
        self.requests: list[Request] = []
        self.broken: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"channels": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def address(self) -> tuple[str, int]:
        host, port, *_ = self._server.server_address
        return str(host), int(port)

    @property
    def url(self) -> str:
        """Without a slash at its end; ``{url}/NAME`` is a channel."""
        return f"http://127.0.0.1:{self.address[1]}"

    def downloads(self, stem: str = "") -> list[str]:
        """File names of packages that were handed out, in order, of those that begin so."""
        with self._lock:
            paths = [r.path for r in self.requests if r.method == "GET" and r.status in {200, 206}]
        names = [path.rsplit("/", 1)[1] for path in paths]
        return [n for n in names if n.startswith(stem) and n.endswith((CONDA, TAR_BZ2))]

    def forget(self) -> None:
        with self._lock:
            self.requests.clear()

    def __enter__(self) -> ChannelServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _note(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def _status(self, path: str, authorization: str | None) -> int:
        with self._lock:
            for end, (status, left) in self.broken.items():
                if path.endswith(end) and left:
                    self.broken[end] = (status, left - 1)
                    return status
        if self.token and not path.startswith(f"/t/{self.token}/"):
            return 403
        wanted = []
        if self.user:
            wanted.append("Basic " + base64.b64encode(":".join(self.user).encode()).decode())
        if self.bearer:
            wanted.append(f"Bearer {self.bearer}")
        return 401 if wanted and authorization not in wanted else 200

    def _file(self, path: str) -> Path | None:
        plain = path.partition("?")[0]
        if self.token:
            plain = plain.removeprefix(f"/t/{self.token}")
        found = (self.root / plain.lstrip("/")).resolve()
        inside = found.is_relative_to(self.root.resolve())
        return found if inside and found.is_file() else None


class _Handler(http.server.BaseHTTPRequestHandler):
    channels: ChannelServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        status = self.channels._status(self.path, authorization)
        file = self.channels._file(self.path)
        if status == 200 and file is None:
            status = 404
        content = file.read_bytes() if file and status == 200 else b""
        self.channels._note(Request(self.command, self.path, status, authorization))
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="channel"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):  # who asked has gone
                self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass
