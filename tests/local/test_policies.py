"""IAM's evaluation of policies."""

import pytest

from snakemake_executor_plugin_hutchbatch.local.services.policies import (
    Call,
    Policy,
    matches,
    refusal,
)

WHO = "arn:aws:iam::000000000000:user/local"
READ = Call("s3:GetObject", "arn:aws:s3:::bucket/a/b")


def allowed(call, *statements, resource=None):
    own = [Policy({"Statement": list(statements)})]
    return refusal(call, WHO, own, resource and Policy({"Statement": resource})) is None


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("s3:Get*", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:Get", "s3:GetObject", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/[b]\nc", True),
        ("arn:aws:s3:::b/[ab]", "arn:aws:s3:::b/a", False),
        ("*", "", True),
    ],
)
def test_wildcards(pattern, value, expected):
    assert matches(pattern, value) is expected


def test_nothing_is_allowed_that_no_statement_allows():
    assert not allowed(READ)
    assert allowed(READ, allow("s3:getobject"))
    assert allowed(READ, allow(["s3:PutObject", "s3:Get*"], ["arn:aws:s3:::bucket/a/*"]))
    assert not allowed(READ, allow("s3:GetObject", "arn:aws:s3:::bucket"))
    assert not allowed(READ, allow("s3:PutObject"))
    not_delete = {"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}
    assert allowed(READ, not_delete)
    assert not allowed(Call("s3:DeleteObject", "x"), not_delete)
    elsewhere = {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"}
    assert not allowed(READ, elsewhere)


def test_who_has_no_policies_is_an_administrator_and_a_deny_still_counts():
    assert refusal(READ, WHO, []) is None
    bucket = Policy({"Statement": [deny("s3:*", Principal="*")]})
    words = refusal(READ, WHO, [], bucket)
    assert words == (
        f"User: {WHO} is not authorized to perform: s3:GetObject on resource: {READ.resource}"
        " with an explicit deny in a resource-based policy"
    )


def test_a_deny_wins_over_every_allow():
    assert not allowed(READ, allow("*"), deny("s3:*"))


def test_a_bucket_may_allow_what_the_caller_has_no_policy_for():
    assert allowed(READ, resource=[allow("s3:GetObject", Principal={"AWS": WHO})])
    assert allowed(READ, resource=[allow("s3:GetObject", Principal={"AWS": "000000000000"})])
    other = {"AWS": "arn:aws:iam::000000000000:user/other"}
    assert not allowed(READ, resource=[allow("s3:GetObject", Principal=other)])


@pytest.mark.parametrize(
    ("operator", "given", "found", "holds"),
    [
        ("StringEquals", "x", "x", True),
        ("StringEquals", ["y", "x"], "x", True),
        ("StringEquals", "x*", "xy", False),
        ("StringLike", "x*", "xy", True),
        ("StringNotEquals", "x", "x", False),
        ("StringNotEquals", "x", None, True),
        ("StringNotLike", "x*", "xy", False),
        ("StringEquals", "x", None, False),
        ("StringEqualsIfExists", "x", None, True),
        ("Bool", "true", "true", True),
        ("Bool", True, "false", False),
        ("Null", "true", None, True),
        ("Null", "true", "x", False),
        ("ArnLike", "arn:*:role/a*", "arn:aws:iam::1:role/ab", True),
    ],
)
def test_conditions(operator, given, found, holds):
    call = Call("iam:PassRole", "*", {} if found is None else {"iam:key": found})
    assert allowed(call, allow("*", Condition={operator: {"iam:Key": given}})) is holds


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "allow", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Resource": "*"},
        allow("*", Condition={"DateLessThan": {"aws:CurrentTime": "x"}}),
        allow("*", Principals="*"),
    ],
)
def test_what_is_not_understood_is_an_error(statement):
    with pytest.raises(ValueError, match=r".+"):
        Policy({"Statement": [statement]})
