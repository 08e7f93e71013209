"""The command of every job's container: find a Python, fetch the supervisor, become it.

``container_command()`` is the same for all jobs of a run, so it lives in the job definition. It
holds a short POSIX script and, compressed, ``supervisor/s3_bootstrap.py`` without its comments:
enough to fetch the rest (``bundle()``) from S3. Nothing is written to the container's disk, and one
Python start serves the whole job.

The container's environment, beside what AWS gives:

| variable | content |
|---|---|
| ``HUTCHBATCH_SUPERVISOR`` | ``s3://bucket/key`` of the bundle, ends with its SHA-256 |
| ``HUTCHBATCH_TASK`` | location of the TaskSpec, from where ``supervisor`` is in that address |
| ``HUTCHBATCH_TASK_SHA256`` | its SHA-256, or the root of an array's hash tree
(``supervisor/pinned.py``) |
| ``HUTCHBATCH_TASK_SIZE`` | of an array's object: bytes of each child's piece |
| ``HUTCHBATCH_TASK_INDEX`` | optional, which piece; else the child's index in its array |
| ``HUTCHBATCH_FENCE`` | the submission's number (``submission/fencing.py``) |
| ``HUTCHBATCH_STATUS_NUMBER`` | optional, of a single job (``supervisor/status_names.py``) |
| ``HUTCHBATCH_REGION`` | region of the buckets (Batch gives a container none) |
| ``HUTCHBATCH_S3_ENDPOINT`` | optional, used unless an ``AWS_ENDPOINT_URL…`` is set |
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.util
import json
import marshal
import shlex
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .. import files
from ..supervisor.taskspec import EXIT_CHANGED, EXIT_NO_PYTHON, EXIT_SPEC, STATUS_LINE, VERSION
from .kept_bundle import kept
from .minified import minified

#: The supervisor's name inside the container.
PACKAGE = "hutchbatch_supervisor"
_SOURCES = Path(__file__).parents[1] / "supervisor"
#: ``b85encode``'s characters that some writers of JSON escape, and what stands for them: each
#: character of the command may count.
_ESCAPED, _PLAIN = "&<=>", ",./["

# A Python is tried before the container becomes it where it may not start: on another libc than
# glibc, or on a glibc before 2.34 (until then ``libc.so.6`` was a link), which may be older than
# the host's Python needs. Elsewhere that would cost a twelfth of a small job for nothing.
_SCRIPT = """\
N={prefix}
E() {{
for l in /lib64/libc.so.6 /lib/*-linux-gnu/libc.so.6
do [ -f $l ] && [ ! -h $l ] && return
done
"$1" -ISc '' 2>/dev/null
}}
for v in LD_LIBRARY_PATH LD_PRELOAD LC_CTYPE
do eval "[ \\${{$v+x}} ] && export HUTCHBATCH_KEEP_$v=\\"\\$$v\\""
done
unset LD_LIBRARY_PATH LD_PRELOAD
set --
for p in "$N/bin/python" "$N/bin/python3"
do [ -x "$p" ] && E "$p" && set -- "$p" && break
done
p=$(command -v python3) && {{ [ $# != 0 ] || E "$p"; }} && set -- "$@" "$p"
[ $# = 0 ] && p=$(command -v python) && "$p" -ISc 'import sys;sys.exit(sys.version_info<(3,8))' \
2>/dev/null && set -- "$p"
if [ $# = 0 ]
then trap '' PIPE
echo "hutchbatch: no Python runs in this container: neither $N/bin/python nor a python3" >&2
exit {no_python}
fi
p=$1
shift
exec "$p" -IBS -Xutf8 -c {loader} "$@"
"""

# A Python that is too old or lacks a module hands over to the next candidate, which stands behind
# the code in its own command line.
_LOADER = """\
import os,signal,sys
signal.signal(15,lambda *a:os._exit(143))
def fail(text,code={spec}):
 try:os.write(2,("hutchbatch: "+text+"\\n").encode("utf-8","replace"))
 except OSError:pass
 os._exit(code)
try:
 if sys.version_info<(3,8):raise ImportError("Python "+sys.version[:6])
 import base64,hashlib,lzma,ssl,zlib
except ImportError as e:
 a=open("/proc/self/cmdline","rb").read().split(b"\\0")[:-1]
 if len(a)>5:os.execv(a[5],[a[5]]+a[1:5]+a[6:])
 fail("the Python "+sys.executable+" cannot serve ("+str(e)+")",{no_python})
exec(zlib.decompress(base64.b85decode("{code}".translate({table})),-15))
"""

# Standard streams that are closed become /dev/null: else the next files and connections took their
# numbers.
_STREAMS = """
for i in 0,1,2:
 try:os.fstat(i)
 except OSError:os.set_inheritable(os.open("/dev/null",2),True)
"""

# Follows the code of supervisor/s3_bootstrap.py, which is loaded by then, with its TLS context.
_FETCH = """
P="{package}"
g=os.environ.get
u=g("HUTCHBATCH_SUPERVISOR","")
try:b=fetch(os.environ,u)
except Exception as e:
 s=str(e)
 h=lambda n:getattr(e,n,None)
 fail("cannot read "+u+" ("+s+")\\n{status}"+json.dumps(dict(version={version},
job_id=g("AWS_BATCH_JOB_ID","unknown"),attempt=int(g("AWS_BATCH_JOB_ATTEMPT",1)),phase="start",
exit_code={spec},cause="STAGE_IN",problem="credentials" if h("code") else
"setup" if isinstance(e,SetupError) else "s3",facts=dict(activity="supervisor",file=u,words=
s[:500],http_status=h("status"),code=h("code"),role=FOUND and FOUND[0].role or None))))
if hashlib.sha256(b).hexdigest()!=u[-64:]:
 fail(u+" has been changed",{changed})
import zlib
d=zlib.decompressobj()
b=json.loads(d.decompress(b))
exec(b[""])
"""

#: ``marshal``'s last format in which equal code is equal bytes: later ones say what is shared, and
#: that differs from process to process (https://github.com/python/cpython/issues/98819).
_MARSHAL = 2

# Stands in the bundle itself: makes its modules importable and starts the supervisor.
_START = """
import marshal,sys
try:
 from _frozen_importlib_external import MAGIC_NUMBER as m
 c=d.unused_data
 c=marshal.loads(zlib.decompress(c[len(m):])) if c[:len(m)]==m else {{}}
except ImportError:c={{}}
class Bundle:
 data=b
 def find_spec(self,name,path=None,target=None):
  if name in b:
   from importlib.machinery import ModuleSpec
   return ModuleSpec(name,self,is_package=name==P)
 def create_module(self,spec):pass
 def exec_module(self,module):
  n=module.__name__
  exec(marshal.loads(c[n]) if n in c else compile(b[n],n,"exec"),module.__dict__)
 def get_source(self,name):return b[name]
sys.meta_path.insert(0,Bundle())
sys.modules[P+".s3_bootstrap"]=sys.modules["__main__"]
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
    code = carried() + _STREAMS + _FETCH.format(**numbers)
    packer = zlib.compressobj(9, wbits=-15)
    packed = base64.b85encode(packer.compress(code.encode()) + packer.flush()).decode()
    loader = _LOADER.format(
        code=packed.translate(str.maketrans(_ESCAPED, _PLAIN)),
        table=str(str.maketrans(_PLAIN, _ESCAPED)).replace(" ", ""),
        **numbers,
    )
    script = _SCRIPT.format(
        prefix=shlex.quote(cli_prefix.rstrip("/")), loader=shlex.quote(loader), **numbers
    )
    return ["/bin/sh", "-c", script]


@functools.cache
def carried() -> str:
    """The module that each command carries, stripped.

    To be called first while there is one thread: two that parse at once may both fail in CPython
    3.11 (https://github.com/python/cpython/issues/106905).
    """
    source = _source("s3_bootstrap")
    return _kept_here("bootstrap", source.encode(), lambda: minified(source).encode()).decode()


@functools.cache
def bundle() -> bytes:
    """The supervisor's modules, the same bytes for the same sources and the same Python.

    Compressed JSON of module name → source; behind it, this Python's magic number and, compressed,
    the modules as it compiles them. A container's Python with the same number has a quarter of a
    small job's work less to do; another one compiles the sources.
    """
    modules = {"": _START.format(package=PACKAGE), PACKAGE: ""}
    for path in _SOURCES.glob("*.py"):
        if path.stem != "__init__":
            modules[f"{PACKAGE}.{path.stem}"] = _source(path.stem)
    sources = json.dumps(modules, sort_keys=True).encode()
    return _kept_here("supervisor", sources, lambda: _packed(sources))


def _kept_here(folder: str, sources: bytes, make: Callable[[], bytes]) -> bytes:
    """What this Python and this version of hutchbatch make of ``sources``."""
    makers = (Path(__file__), Path(__file__).with_name("minified.py"))
    parts = (sys.version.encode(), sources, *(maker.read_bytes() for maker in makers))
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()
    try:
        place = files.user_cache() / folder
    except RuntimeError:
        return make()
    return kept(place, key, make)


def _packed(sources: bytes) -> bytes:
    compiled = {name: _compiled(name, source) for name, source in json.loads(sources).items()}
    whole = {name: code for name, code in compiled.items() if code}
    return (
        zlib.compress(sources, 9)
        + importlib.util.MAGIC_NUMBER
        + zlib.compress(marshal.dumps(whole, _MARSHAL))
    )


def _compiled(name: str, source: str) -> bytes | None:
    """Its code, without docstrings, as ``marshal`` writes it. None where it cannot: Python 3.14
    makes constants of slices."""
    code = compile(source, name, "exec", dont_inherit=True, optimize=2)
    try:
        return marshal.dumps(code, _MARSHAL)
    except ValueError:
        return None


@functools.cache
def bundle_sha256() -> str:
    """The end of the bundle's URL, by which containers check it."""
    return hashlib.sha256(bundle()).hexdigest()


def _source(name: str) -> str:
    return (_SOURCES / f"{name}.py").read_text("utf-8")


@dataclass(frozen=True)
class Bundle:
    """Where the supervisor is in S3; the URL ends with ``bundle_sha256``."""

    url: str
