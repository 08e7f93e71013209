"""The command of every job's container: find a Python, fetch the supervisor, become it.

``container_command()`` is the same for all jobs of a run, so it lives in the job definition. It
holds a short POSIX script and, compressed, ``supervisor/connection.py`` and
``supervisor/s3_bootstrap.py`` without their comments: enough to fetch the rest (``bundle()``) from
S3. Nothing is written to the container's disk, and one Python start serves the whole job.

The container's environment, beside what AWS gives:

| variable | content |
|---|---|
| ``HUTCHBATCH_SUPERVISOR`` | ``s3://bucket/key`` of the bundle |
| ``HUTCHBATCH_SUPERVISOR_SHA256`` | its SHA-256 |
| ``HUTCHBATCH_TASK`` | ``s3://bucket/key`` of the TaskSpec |
| ``HUTCHBATCH_TASK_SHA256`` | its SHA-256, or the root of an array's hash tree
(``supervisor/pinned.py``) |
| ``HUTCHBATCH_TASK_SIZE`` | of an array's object: bytes of each child's piece |
| ``HUTCHBATCH_TASK_INDEX`` | optional, which piece; else the child's index in its array |
| ``HUTCHBATCH_FENCE`` | the submission's number (``submission/fencing.py``) |
| ``HUTCHBATCH_REGION`` | region of the buckets (Batch gives a container none) |
| ``HUTCHBATCH_S3_ENDPOINT`` | optional, used unless an ``AWS_ENDPOINT_URL…`` is set |
"""

from __future__ import annotations

import ast
import base64
import functools
import hashlib
import json
import lzma
import shlex
import zlib
from dataclasses import dataclass
from pathlib import Path

from ..supervisor.taskspec import EXIT_CHANGED, EXIT_NO_PYTHON, EXIT_SPEC, STATUS_LINE, VERSION

#: The supervisor's name inside the container.
PACKAGE = "hutchbatch_supervisor"
_SOURCES = Path(__file__).parents[1] / "supervisor"
_CARRIED = ("connection", "s3_bootstrap")
#: What packs text best: no alignment, more bits of context.
PACKED = [{"id": lzma.FILTER_LZMA1, "preset": 9, "lc": 4, "pb": 0}]

# A Python is tried before the container becomes it where it may not start: on another libc than
# glibc, or on a glibc before 2.34 (until then ``libc.so.6`` was a link), which may be older than
# the host's Python needs. Elsewhere that would cost a twelfth of a small job for nothing.
_SCRIPT = """\
N={prefix}
E() {{
for l in /lib64/libc.so.6 /lib/*-linux-gnu/libc.so.6
do [ -f "$l" ] && [ ! -h "$l" ] && return
done
"$1" -ISc '' 2>/dev/null
}}
[ "${{LD_LIBRARY_PATH+x}}" ] && export HUTCHBATCH_KEEP_LD_LIBRARY_PATH="$LD_LIBRARY_PATH"
[ "${{LD_PRELOAD+x}}" ] && export HUTCHBATCH_KEEP_LD_PRELOAD="$LD_PRELOAD"
[ "${{LC_CTYPE+x}}" ] && export HUTCHBATCH_KEEP_LC_CTYPE="$LC_CTYPE"
unset LD_LIBRARY_PATH LD_PRELOAD
set --
for p in "$N/bin/python" "$N/bin/python3"; do
if [ -x "$p" ] && E "$p"; then set -- "$p"; break; fi
done
p=$(command -v python3) && {{ [ $# != 0 ] || E "$p"; }} && set -- "$@" "$p"
if [ $# = 0 ] && p=$(command -v python) && "$p" -ISc 'import sys;sys.exit(sys.version_info<(3,8))' \
2>/dev/null; then set -- "$p"; fi
if [ $# = 0 ]; then
trap '' PIPE
echo "hutchbatch: no Python runs in this container: neither the host's in $N nor a python3 of the \
image. Use an image that brings python3 (3.8 or newer), or set --hutchbatch-aws-cli-path to the \
folder of the hosts' AWS CLI." >&2
exit {no_python}
fi
p=$1
shift
exec "$p" -IBS -Xutf8 -c {loader} "$@"
"""

# A Python that is too old or lacks a module hands over to the next candidate, which stands behind
# the code in its own command line. Standard streams that are closed become /dev/null: else the
# next files and connections took their numbers. What cannot be said must not cost the exit code.
_LOADER = """\
import os,signal,sys
signal.signal(15,lambda *a:os._exit(143))
for i in 0,1,2:
 try:os.fstat(i)
 except OSError:os.set_inheritable(os.open("/dev/null",2),True)
def fail(text,code={spec}):
 try:os.write(2,("hutchbatch: "+text+"\\n").encode("utf-8","replace"))
 except OSError:pass
 os._exit(code)
try:
 if sys.version_info<(3,8):raise ImportError("Python "+sys.version[:6])
 import binascii,hashlib,lzma,ssl,zlib
except ImportError as e:
 a=open("/proc/self/cmdline","rb").read().split(b"\\0")[:-1]
 if len(a)>5:os.execv(a[5],[a[5]]+a[1:5]+a[6:])
 fail("the Python "+sys.executable+" cannot serve ("+str(e)+"). \
Use an image with a complete python3 (3.8 or newer).",{no_python})
exec(lzma.decompress(binascii.a2b_base64("{code}")))
"""

# Follows the code of supervisor/connection.py and supervisor/s3_bootstrap.py, which thereby is
# loaded: with its TLS context.
_FETCH = """
import sys,zlib
P="{package}"
class Bundle:
 def __init__(self,data):self.data=data
 def find_spec(self,name,path=None,target=None):
  if name in self.data:
   from importlib.machinery import ModuleSpec
   return ModuleSpec(name,self,is_package=name==P)
 def create_module(self,spec):pass
 def exec_module(self,module):
  n=module.__name__;exec(compile(self.data[n],n,"exec"),module.__dict__)
 def get_source(self,name):return self.data[name]
u=os.environ.get("HUTCHBATCH_SUPERVISOR","")
try:b=fetch(os.environ,u)
except Exception as e:
 g=os.environ.get
 fail("the supervisor could not be read from "+u+" ("+str(e)+").\\n{status}"+json.dumps(dict(
version={version},job_id=g("AWS_BATCH_JOB_ID","unknown"),attempt=int(g("AWS_BATCH_JOB_ATTEMPT",1)),
phase="start",exit_code={spec},cause="STAGE_IN",problem="setup" if isinstance(e,SetupError) else
"s3",facts=dict(activity="supervisor",file=u,words=str(e)[:500],http_status=getattr(e,"status",None)))))
if hashlib.sha256(b).hexdigest()!=os.environ.get("HUTCHBATCH_SUPERVISOR_SHA256"):
 fail(u+" is not the supervisor this job was submitted with, so it was not run.",{changed})
sys.meta_path.insert(0,Bundle(json.loads(zlib.decompress(b))))
sys.modules[P+".connection"]=sys.modules[P+".s3_bootstrap"]=sys.modules["__main__"]
from {package}.main import main
main(os.environ)
"""


@functools.cache
def container_command(cli_prefix: str) -> list[str]:
    """The ``command`` of a job definition.

    ``cli_prefix`` is the container path under which the hosts' AWS CLI is mounted
    (``/home/ec2-user/miniconda``): the Python beside it is the first choice.
    """
    numbers = {
        "no_python": EXIT_NO_PYTHON,
        "spec": EXIT_SPEC,
        "changed": EXIT_CHANGED,
        "package": PACKAGE,
        "status": STATUS_LINE,
        "version": VERSION,
    }
    code = carried() + _FETCH.format(**numbers)
    packed = base64.b64encode(lzma.compress(code.encode(), lzma.FORMAT_ALONE, filters=PACKED))
    loader = _LOADER.format(code=packed.decode(), **numbers)
    script = _SCRIPT.format(
        prefix=shlex.quote(cli_prefix.rstrip("/")), loader=shlex.quote(loader), **numbers
    )
    return ["/bin/sh", "-c", script]


@functools.cache
def carried() -> str:
    """The modules that each command carries, stripped.

    To be called first while there is one thread: two that parse at once may both fail in CPython
    3.11 (https://github.com/python/cpython/issues/106905).
    """
    return "".join(_stripped(_source(name)) + "\n" for name in _CARRIED)


@functools.cache
def bundle() -> bytes:
    """The supervisor's modules, the same bytes for the same sources: compressed JSON of module
    name → source."""
    modules = {PACKAGE: ""}
    for path in _SOURCES.glob("*.py"):
        if path.stem != "__init__":
            modules[f"{PACKAGE}.{path.stem}"] = _source(path.stem)
    return zlib.compress(json.dumps(modules, sort_keys=True).encode(), 9)


@functools.cache
def bundle_sha256() -> str:
    """What ``HUTCHBATCH_SUPERVISOR_SHA256`` must say; also a good name for the bundle's key."""
    return hashlib.sha256(bundle()).hexdigest()


def _source(name: str) -> str:
    return (_SOURCES / f"{name}.py").read_text("utf-8")


class _Stripper(ast.NodeTransformer):
    """Takes types and docstrings away: what a running program does not need."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        node.body = _without_docstring(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases):
            self.generic_visit(node)
        node.body = _without_docstring(node.body)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        assign = ast.Assign(targets=[node.target], value=node.value)
        return ast.copy_location(assign, node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        body = body[1:]
    return body or [ast.Pass()]


def _stripped(source: str) -> str:
    tree = ast.parse(source)
    tree.body = [
        node
        for node in _without_docstring(tree.body)
        if not (isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"))
    ]
    tree = ast.fix_missing_locations(_Stripper().visit(tree))
    # One space of indentation is enough for a machine.
    lines = []
    for line in ast.unparse(tree).splitlines():
        bare = line.lstrip(" ")
        lines.append(" " * ((len(line) - len(bare)) // 4) + bare)
    return "\n".join(line for line in lines if line)


@dataclass(frozen=True)
class Bundle:
    """Where the supervisor lies in S3, and its digest."""

    url: str
    sha256: str
