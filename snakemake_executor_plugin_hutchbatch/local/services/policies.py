"""IAM's evaluation of policies: identity-based ones and bucket policies. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

What other libraries offer does not fit: moto's evaluator knows no conditions, on which PassRole and
bucket policies rest, and comes with all of moto; others check policies' style, not calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..json_types import Json

#: Parts of a statement that are understood; any other would silently change its meaning.
_KNOWN = {
    *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"),
    *("Condition", "Principal", "NotPrincipal"),
}
#: Operators of strings, and whether their values are patterns.
_OPERATORS = {
    "StringEquals": False,
    "StringNotEquals": False,
    "StringLike": True,
    "StringNotLike": True,
    "ArnEquals": True,
    "ArnLike": True,
    "ArnNotEquals": True,
    "ArnNotLike": True,
    "Bool": False,
    "Null": False,
}


@dataclass(frozen=True)
class Call:
    """One action on one resource, as IAM sees it. ``resource`` is an ARN, or ``*`` for actions that
    know none. ``context``: condition keys in lower case."""

    action: str
    resource: str = "*"
    context: Mapping[str, str] = field(default_factory=dict)


class Policy:
    """A policy document. Raises ValueError for one that is not understood."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        statements = document.get("Statement") if isinstance(document, Mapping) else None
        self._statements = [each for each in _listed(statements) if _check(each)]

    def verdict(self, call: Call, principal: str) -> str | None:
        """``Deny``, ``Allow``, or None if no statement is about the call. ``principal``: the
        caller's ARN."""
        effects = {each["Effect"] for each in self._statements if _applies(each, call, principal)}
        if "Deny" in effects:
            return "Deny"
        return "Allow" if effects else None


def refusal(
    call: Call, principal: str, own: Sequence[Policy], resource: Policy | None = None
) -> str | None:
    """AWS's words if the caller may not do this; None if it may. ``own`` are the caller's policies,
    none at all meaning an administrator's; ``resource`` is the resource's policy."""
    verdicts = [policy.verdict(call, principal) for policy in own]
    theirs = resource.verdict(call, principal) if resource else None
    start = f"User: {principal} is not authorized to perform: {call.action}"
    if call.resource != "*":
        start += f" on resource: {call.resource}"
    if "Deny" in verdicts:
        return f"{start} with an explicit deny in an identity-based policy"
    if theirs == "Deny":
        return f"{start} with an explicit deny in a resource-based policy"
    if not own or "Allow" in verdicts or theirs == "Allow":
        return None
    return f"{start} because no identity-based policy allows the {call.action} action"


def _check(statement: Mapping[str, Json]) -> bool:
    unknown = set(statement) - _KNOWN
    if unknown:
        raise ValueError(f"a statement has unknown parts: {', '.join(sorted(unknown))}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("a statement's Effect should be Allow or Deny")
    if ("Action" in statement) == ("NotAction" in statement):
        raise ValueError("a statement needs either Action or NotAction")
    for operator in statement.get("Condition") or {}:
        if operator.removesuffix("IfExists") not in _OPERATORS:
            raise ValueError(f"the operator {operator} is not supported")
    return True


def _applies(statement: Mapping[str, Json], call: Call, principal: str) -> bool:
    if not _names(statement, "Action", call.action.lower(), lower=True):
        return False
    if not _names(statement, "Resource", call.resource):
        return False
    if "Principal" in statement and not _is_principal(statement["Principal"], principal):
        return False
    if "NotPrincipal" in statement and _is_principal(statement["NotPrincipal"], principal):
        return False
    conditions = statement.get("Condition") or {}
    return all(
        _holds(operator, key, _listed(values), call.context)
        for operator, by_key in conditions.items()
        for key, values in by_key.items()
    )


def _names(statement: Mapping[str, Json], part: str, value: str, lower: bool = False) -> bool:
    """Whether the statement's Action or Resource, or its NotAction or NotResource, is about it."""
    for name, wanted in ((part, True), (f"Not{part}", False)):
        if name in statement:
            patterns = _listed(statement[name])
            return wanted == any(
                matches(each.lower() if lower else each, value) for each in patterns
            )
    return True


def _is_principal(given: Json, principal: str) -> bool:
    named = _listed(given.get("AWS") if isinstance(given, Mapping) else given)
    account = principal.split(":")[4]
    return any(each in ("*", principal, account, f"arn:aws:iam::{account}:root") for each in named)


def _holds(operator: str, key: str, values: Iterable[Json], context: Mapping[str, str]) -> bool:
    name = operator.removesuffix("IfExists")
    found = context.get(key.lower())
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    if name == "Null":
        return any((found is None) == (each.lower() == "true") for each in texts)
    negated = "Not" in name
    if found is None:
        return negated or operator.endswith("IfExists")
    if name == "Bool":
        return any(each.lower() == found.lower() for each in texts)
    is_pattern = _OPERATORS[name]
    hit = any(matches(each, found) if is_pattern else each == found for each in texts)
    return hit != negated


def matches(pattern: str, value: str) -> bool:
    """IAM's wildcards: ``*`` stands for any text, ``?`` for one character."""
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(each) or re.escape(each) for each in pattern)
    return re.fullmatch(text, value, re.DOTALL) is not None


def _listed(value: Json) -> list[Json]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
