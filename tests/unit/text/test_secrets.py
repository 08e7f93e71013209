"""Secrets of well-known kinds are taken out of a text; what is none stays, to the letter."""

import pytest

from snakemake_executor_plugin_hutchbatch.text.secrets import is_secret_name, redacted

NAMES = [
    "token",
    "password",
    "db_password",
    "NCBI_API_KEY",
    "apiKey",
    "clientSecret",
    "accessToken",
    "aws_secret_access_key",
    "AWS_ACCESS_KEY_ID",
    "OPENAI_KEY",
    "slack_webhook",
    "SLACK_WEBHOOK_URL",
    "db.password",
    "GITHUB_TOKEN",
    "my_pwd",
    "TOKEN",
    "DB_PASS",
    "PRIVATE-TOKEN",
    "X-Api-Key",
    "Password",
    "storage-s3-secret-key",
]
ORDINARY_NAMES = [
    "max_tokens",
    "n_tokens",
    "token_file",
    "tokenizer",
    "secret_name",
    "tokens",
    "PWD",
    "OLDPWD",
    "broken",
    "key",
    "sort_key",
    "KEY",
    "image",
    "primary_key",
    "passwords_file",
    "mytoken",
    "keyword",
    "monkey",
    "author",
    "compass",
    "SSH_AUTH_SOCK",
    "rule",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "hutchbatch-secrets",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_is_known_by_its_name(name):
    assert is_secret_name(name)
    assert "hunter2x" not in redacted(f"x {name}=hunter2x y")
    assert "hunter2x" not in redacted(f'{{"a": 1, "{name}": "hunter2x"}}')


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_an_ordinary_name_keeps_its_value(name):
    assert not is_secret_name(name)
    text = f'x {name}=value y {{"a": 1, "{name}": "value"}}'
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("snakemake --config token=hunter2 a=1", "snakemake --config token=… a=1"),
        ("git clone https://me:p%40ss@h.org/x?y=1", "git clone https://me:…@h.org/x?y=1"),
        ("postgres://me:p@ss@db/x and redis://:pw@h", "postgres://me:…@db/x and redis://:…@h"),
        ("https://ghx0123456789abcdefghijk@github.com/x", "https://…@github.com/x"),
        ("curl -H 'Authorization: Bearer abc' https://x", "curl -H 'Authorization: …' https://x"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: …"),
        ("with bearer abcdefghijkl.mnop-1234", "with bearer …"),
        ('curl -H "PRIVATE-TOKEN: abc" x', 'curl -H "PRIVATE-TOKEN: …" x'),
        ("https://hooks.slack.com/services/T0/B0/XXX ok", "https://hooks.slack.com/services/… ok"),
        ("https://discord.com/api/webhooks/12/ab-c", "https://discord.com/api/webhooks/…"),
        (
            "https://x.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d",
            "https://x.webhook.office.com/webhookb2/…",
        ),
        (
            "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature=dead&X-Amz-Expires=3",
            "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature=…&X-Amz-Expires=3",
        ),
        ("https://x.blob.core.windows.net/c?sv=1&sig=ab%2Fc", "https://x.blob.core.windows.net/c?sv=1&sig=…"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA…"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtn/K7MDENG/bPx x", "AWS_SECRET_ACCESS_KEY=… x"),
        ('export API_KEY="a b c" next', "export API_KEY=… next"),
        ("password: hunter2", "password: …"),
        ("{'user': {'token': 'x'}}", "{'user': {'token': …}}"),
        ("run --password hunter2 --quiet", "run --password … --quiet"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "ghp_…"),
        ("xoxb-1234567890-abcdefghij", "xoxb-…"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc-def", "…"),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a … b"),
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_form(text, shown):
    assert redacted(text) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "align sample=A failed: the command of rule align ended with exit code 1 [COMMAND]",
        "docker://ubuntu:22.04@sha256:0123456789abcdef",
        "http://host:8080/path?email=a@b.c&page=2",
        "git@github.com:x/y.git ssh://git@github.com/x s3://bucket/a:b@c",
        "https://example.org/docs/hooks/intro /home/me/hooks/pre",
        "SyntaxError: unexpected token: foo",
        "the job's token has expired; Bearer of bad news",
        "problem  credentials: AWS does not accept your credentials",
        "password: it is wrong",
        "use_token=False password= token=null secret=0",
        "--hutchbatch-secrets KEY=arn:aws:ssm:us-west-2:1:parameter/x",
        "7a6280f6-164f-4200-bc88-a2d12bdaa224 0123456789abcdef0123456789abcdef01234567",
        "sk-learn-contrib-is-a-nice-package-of-2020 hf_transfer",
        "--max-tokens=4096 tokenizer=bert",
    ],
)
def test_an_ordinary_text_stays_as_it_is(text):
    assert redacted(text) == text


def test_known_secrets_go_wherever_they_stand_but_not_out_of_words():
    assert redacted("curl x?a=hunter2 hunter2, hunter22", ["hunter2"]) == "curl x?a=… …, hunter22"


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "a.",
        "-",
        "eyJ-",
        "https://",
        "authorization",
        " ",
        "{",
        "\n",
        "a:",
        "sk-",
        "\"'",
        "a='",
        "://a:",
        "-----BEGIN PRIVATE KEY-----",
        "bearer ",
        "&a",
        "b/",
        "=",
        "token=",
        "--token ",
    ],
)
def test_a_long_line_takes_no_longer_than_its_length(part):
    """A search that took the square of it would take hours."""
    redacted(part * (200_000 // len(part)))
