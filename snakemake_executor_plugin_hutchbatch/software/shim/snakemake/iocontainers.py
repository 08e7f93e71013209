"""The ``snakemake`` object of scripts and the lists in it, as Snakemake pickles them."""

import os
import urllib.parse

import hutchbatch_script

#: Characters of a file's hash in links between a report's files.
FILE_HASH_PREFIX_LEN = 16


class AttributeGuard:
    """In place of methods of lists that are names of files in some workflows."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *args, **kwargs):
        raise AttributeError(
            "{}() cannot be used on snakemake input, output, resources etc.; instead it is a valid "
            "name for items on those objects. Use sorted(), or a plain list made with "
            "list().".format(self.name)
        )


class Namedlist(list):
    """A list some of whose items, or stretches of them, have names: attributes and keys."""

    def __init__(
        self,
        toclone=None,
        fromdict=None,
        plainstr=False,
        strip_constraints=False,
        custom_map=None,
    ):
        list.__init__(self)
        self._names = {}
        self._allowed_overrides = ["index", "sort"]
        for name in self._allowed_overrides:
            setattr(self, name, AttributeGuard(name))
        if toclone is not None:
            if custom_map is not None:
                self.extend(map(custom_map, toclone))
            elif plainstr:
                self.extend(map(str, toclone))
            elif strip_constraints:
                from .io import strip_wildcard_constraints

                self.extend(map(strip_wildcard_constraints, toclone))
            else:
                self.extend(toclone)
            if isinstance(toclone, Namedlist):
                self._take_names(toclone._get_names())
        for key, item in (fromdict or {}).items():
            self.append(item)
            self._add_name(key)

    def _add_name(self, name):
        self._set_name(name, len(self) - 1)

    def _set_name(self, name, index, end=None):
        if name not in self._allowed_overrides and hasattr(type(self), name):
            raise AttributeError(
                "invalid name for input, output, wildcard, params or log: {} is reserved for "
                "internal use".format(name)
            )
        self._names[name] = (index, end)
        value = self[index] if end is None else Namedlist(toclone=self[index:end])
        setattr(self, name, value)

    def update(self, items):
        for key, value in items.items():
            if key in self._names:
                raise ValueError("Key {} already exists in Namedlist".format(key))
            self.append(value)
            self._add_name(key)

    def _get_names(self):
        for item in self._names.items():
            yield item

    def _take_names(self, names):
        for name, (start, end) in names:
            self._set_name(name, start, end=end)

    def items(self):
        for name in self._names:
            yield name, getattr(self, name)

    def keys(self):
        return self._names.keys()

    def _allitems(self):
        spans = [
            (start, start + 1 if end is None else end, name)
            for name, (start, end) in self._names.items()
        ]
        place = 0
        for start, end, name in sorted(spans, key=lambda span: span[:2]):
            for item in self[place:start]:
                yield None, item
            yield name, getattr(self, name)
            place = end
        for item in self[place:]:
            yield None, item

    def _insert_items(self, index, items):
        self[index : index + 1] = items
        more = len(items) - 1
        for name, (start, end) in list(self._names.items()):
            if start > index:
                self._names[name] = (start + more, None if end is None else end + more)
            elif start == index:
                self._set_name(name, start, end=start + len(items))

    def _plainstrings(self):
        return type(self)(toclone=self, plainstr=True)

    def _stripped_constraints(self):
        return type(self)(toclone=self, strip_constraints=True)

    def _clone(self):
        return type(self)(toclone=self)

    def get(self, key, default_value=None):
        value = self.__dict__.get(key, default_value)
        return default_value if isinstance(value, AttributeGuard) else value

    def __getitem__(self, key):
        if isinstance(key, str):
            return getattr(self, key)
        return list.__getitem__(self, key)

    def __hash__(self):
        return hash(tuple(self))

    def __str__(self):
        return " ".join(map(str, self))


def _size(path):
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
        if os.path.exists(os.path.join(folder, name))
    )


class InputFiles(Namedlist):
    @property
    def size_files(self):
        return [_size(path) for path in self]

    @property
    def size_files_kb(self):
        return [size / 1024 for size in self.size_files]

    @property
    def size_files_mb(self):
        return [size / 1024 for size in self.size_files_kb]

    @property
    def size_files_gb(self):
        return [size / 1024 for size in self.size_files_mb]

    @property
    def size(self):
        return sum(self.size_files)

    @property
    def size_kb(self):
        return sum(self.size_files_kb)

    @property
    def size_mb(self):
        return sum(self.size_files_mb)

    @property
    def size_gb(self):
        return sum(self.size_files_gb)


class OutputFiles(Namedlist):
    pass


class Wildcards(Namedlist):
    pass


class Params(Namedlist):
    pass


class ResourceList(Namedlist):
    pass


class Log(Namedlist):
    pass


class ReportHref:
    """A link to another file of a report."""

    def __init__(self, path, parent=None, url_args=None, anchor=None):
        from .common import get_report_id

        self._parent = parent
        self._id = get_report_id(path) if parent is None else parent._id
        self._path = path if isinstance(path, str) else path.as_posix()
        self._url_args = dict(url_args or {})
        self._anchor = anchor

    def child_path(self, path):
        return type(self)(path, parent=self)

    def url_args(self, **args):
        return type(self)(path=self._path, parent=self._parent, url_args=args)

    def anchor(self, anchor):
        return type(self)(
            path=self._path, parent=self._parent, url_args=self._url_args, anchor=anchor
        )

    def __str__(self):
        path = os.path.basename(self._path) if self._parent is None else self._path
        args = "&".join(
            "{}={}".format(key, urllib.parse.quote(str(value)))
            for key, value in self._url_args.items()
        )
        return "../{}/{}{}{}".format(
            self._id[:FILE_HASH_PREFIX_LEN],
            path,
            "?" + args if args else "",
            "#" + urllib.parse.quote(self._anchor) if self._anchor else "",
        )


#: How a command's output goes to a log: by standard output, standard error, appending.
_REDIRECTIONS = {
    (True, True, True): " >> {} 2>&1",
    (True, False, True): " >> {}",
    (False, True, True): " 2>> {}",
    (True, True, False): " > {} 2>&1",
    (True, False, False): " > {}",
    (False, True, False): " 2> {}",
}

_ABSENT = (
    "Failed to import required module for loading rule params. Make sure that the respective "
    "package (numpy, pandas, polars) is available in the software environment in which the "
    "script/wrapper/notebook is executed: {}"
)


def _typed(kind, value):
    """A value that Snakemake has taken apart for its way."""
    if kind == "pd.DataFrame":
        import pandas

        return pandas.DataFrame.from_dict(value)
    if kind == "pd.Series":
        import pandas

        return pandas.Series(value)
    if kind == "np.ndarray":
        import numpy

        return numpy.array(value)
    if kind in ("pl.LazyFrame", "pl.DataFrame", "pl.Series"):
        import polars

        if kind == "pl.Series":
            return polars.Series(**value)
        frame = polars.from_dict(value)
        return frame.lazy() if kind == "pl.LazyFrame" else frame
    return value


class Snakemake:
    """What a script knows of its job. It comes as a pickle: nobody calls ``__init__``."""

    @property
    def params(self):
        params = Params(toclone=list(self._params_store))
        try:
            for place, kind in self._params_types.items():
                params[place] = _typed(kind, params[place])
        except ImportError as error:
            raise ImportError(_ABSENT.format(error))
        params._take_names(self._params_store._get_names())
        return params

    def report_href(self, path):
        """A link to a file as the workflow names it in its report."""
        return ReportHref(path)

    def log_fmt_shell(self, stdout=True, stderr=True, append=False):
        """What sends a command's output to the log of the rule, if it has one."""
        return self._log_shell_redirect(str(self.log), stdout, stderr, append)

    def _log_shell_redirect(self, log, stdout=True, stderr=True, append=False):
        return _REDIRECTIONS[stdout, stderr, append].format(log) if log else ""


def __getattr__(name):
    if name == "snakemake":
        return hutchbatch_script.current
    return hutchbatch_script.missing(__name__, name)


if hutchbatch_script.current is not None:  # Python 3.6 has no __getattr__ of modules
    snakemake = hutchbatch_script.current
