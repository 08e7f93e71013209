"""Python source → the same program in fewer characters: for what every container's command carries.

Types, docstrings and comments go; local names and those that begin with an underscore become
single letters. Parameters are renamed where they can only be given by position. Pure.
"""

from __future__ import annotations

import ast
import io
import string
import tokenize
from collections import Counter
from collections.abc import Iterator

#: Tokens that need a space between each other.
_WORDS = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
_LAYOUT = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def minified(source: str) -> str:
    """``source`` imports nothing that is relative but what stands before it."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in _without_docstring(tree.body)
        if not (isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"))
    ]
    tree = ast.fix_missing_locations(_Stripper().visit(tree))
    _drop_unused_imports(tree)
    _rename(tree)
    return _compact(ast.unparse(tree))


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
        for field in node.body:
            if isinstance(field, ast.AnnAssign):
                field.annotation = ast.Name("str")
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


def _drop_unused_imports(tree: ast.Module) -> None:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if alias.name in used]


def _rename(tree: ast.Module) -> None:
    """Local names by how often they occur in the whole: equal text packs best."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    own = {id(function): _local_names(function) for function in functions}
    counts = Counter(name for names in own.values() for name in names)
    letters = list(string.ascii_letters)
    for function in functions:
        ranked = sorted(own[id(function)], key=lambda name: (-counts[name], name))
        _Renamer(dict(zip(ranked, letters, strict=False))).visit(function)
        function.args.args = function.args.posonlyargs + function.args.args
        function.args.posonlyargs = []
    private = [name for name in _module_names(tree) if name.startswith("_")]
    # Two letters: no local name has two.
    _Renamer({name: f"_{letter}" for name, letter in zip(private, letters, strict=False)}).visit(
        tree
    )


def _local_names(function: ast.FunctionDef) -> set[str]:
    names = {arg.arg for arg in function.args.posonlyargs}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def _module_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef):
            yield node.name


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        if node.name:
            node.name = self._names.get(node.name, node.name)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.name = self._names.get(node.name, node.name)
        return node


def _compact(source: str) -> str:
    """Without spaces that the language does not need; one space of indentation."""
    lines, line, depth, before = [], "", 0, tokenize.OP
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
        if token.type in _LAYOUT:
            if line:
                lines.append(line)
            line, before = "", tokenize.OP
            continue
        if not line:
            line = " " * depth
        elif before in _WORDS and token.type in _WORDS:
            line += " "
        line, before = line + token.string, token.type
    return "\n".join(lines)
