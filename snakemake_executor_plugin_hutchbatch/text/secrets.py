"""Removes secrets of well-known kinds from a text before it is stored or shown. Pure.

Only what its name or its form marks as a secret; ordinary values are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What replaces a secret.
HIDDEN = "…"

#: How the name of a secret ends: ``token``, ``db_password``, ``NCBI_API_KEY``, ``clientSecret``.
#: Not ``max_tokens``, ``token_file``, ``secret_name`` or ``PWD``: these are not secrets.
_NAMES = (
    r"password|passwd|passphrase|secret|token|webhook(?:[_-]?url)?"
    r"|(?:api|auth|access|secret|private|account|signing|encryption|service|subscription|license)"
    r"[_-]?key(?:[_-]?id)?|sas[_-]?(?:token|url)|connection[_-]?string|client[_-]?secret"
)
_NAME = re.compile(rf"(?:.*[^a-z]|.*[a-z](?=[A-Z])|)(?i:{_NAMES}|pwd)", re.DOTALL)
#: Environment variables such as ``OPENAI_KEY``.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(?:KEY|PASS|PAT|PWD)")
#: Names that look like a secret's, but are not.
_ORDINARY_NAMES = frozenset({"PWD", "OLDPWD", "pwd"})
#: Values that are no secrets, whatever their name.
_ORDINARY = r"(?i:true|false|none|null|nil|yes|no|on|off|~|\d{1,4})"
_ORDINARY_VALUE = re.compile(_ORDINARY)


def is_secret_name(name: str) -> bool:
    """Whether a configuration key or a variable of this name holds a secret."""
    bare = name.strip("\"' ")
    if bare in _ORDINARY_NAMES:
        return False
    return bool(_NAME.fullmatch(bare) or _VARIABLE.fullmatch(bare))


def is_ordinary_value(value: str) -> bool:
    """Whether a value cannot be a secret: empty, a switch, a small number, or hidden already."""
    bare = value.strip("\"' ")
    return bare in ("", HIDDEN) or bool(_ORDINARY_VALUE.fullmatch(bare))


_WEBHOOKS = (
    # https://api.slack.com/messaging/webhooks, and similar services.
    r"hooks\.slack(?:-gov)?\.com/[a-z]+/",
    r"(?:[\w-]+\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/",
    r"[\w.-]*webhook\.office\.com/webhookb2/",
    r"outlook\.office(?:365)?\.com/webhook/",
    r"[\w.-]+\.logic\.azure\.com[:\d]*/workflows/",
    r"[\w.-]+\.powerplatform\.com[:\d]*/[\w/-]*workflows/",
    r"chat\.googleapis\.com/v\d+/spaces/",
    r"hooks\.zapier\.com/hooks/",
    r"maker\.ifttt\.com/trigger/",
    r"api\.telegram\.org/bot",
    r"[\w.-]+(?::\d+)?/(?:[\w-]+/)?hooks/(?=[a-z]*\d)(?=[a-z0-9/]{20})",  # Mattermost, Rocket.Chat
)
_WEBHOOK = re.compile(rf"(?i)(https?://(?:{'|'.join(_WEBHOOKS)})).+", re.DOTALL)
#: Query parameters of signed addresses: AWS's, Google's and Azure's; and keys of public services.
_SIGNED = re.compile(
    r"(?i)X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|GoogleAccessId"
    r"|Signature|sig|key"
)
_URL = re.compile(r"(?i)(?<![a-z])https?://[^\s\"'<>`]+")
_PARAMETER = re.compile(r"([?&])([\w.-]+)=([^&#]*)")
# No name or word below is searched for in the middle of a longer one: a log may have lines of
# megabytes, and a search must take linear time.
_KINDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY)-----.*?(?:-----END \1-----|\Z)", re.DOTALL
        ),
        HIDDEN,
    ),
    # user:password@, but not an image's name:tag@sha256:…
    (
        re.compile(
            r"(?i)((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/?#:@'\"]{0,200}):"
            r"[^\s/?#'\"]{1,1000}@(?!sha\d+:)"
        ),
        rf"\1:{HIDDEN}@",
    ),
    # A token alone in front of a host, such as GitHub's.
    (re.compile(r"(?i)((?<![a-z])https?://)[^\s/?#:@'\"]{20,1000}@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"(?i)((?<![\w-])(?:proxy-)?authorization['\"]?[ \t]{0,9}[:=][ \t]{0,9}['\"]?)"
            r"(?:[a-z]{1,20} +)?[^\s'\"]+"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)((?<!\w)bearer +)(?=[a-z]*[\d._~+/=-])[\w.~+/=-]{16,}"), rf"\1{HIDDEN}"),
    # Tokens with a known prefix.
    (re.compile(r"(?<![A-Za-z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"), rf"\1{HIDDEN}"),
    (re.compile(r"(?<![\w-])(gh[opusr]_|github_pat_)\w{20,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?<![\w-])(glpat-|xox[a-z]-|xapp-|dckr_pat_|pypi-)[\w-]{16,}"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"(?<![\w-])(sk-|hf_|npm_|AIza|[sr]k_live_)"
            r"(?=[A-Za-z_-]{0,100}\d)(?=[a-z\d_-]{0,100}[A-Z])[\w-]{20,}"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<![\w-])eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"), HIDDEN),
)
#: A quoted value, or one without spaces.
_VALUE = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"'&;,<>()\[\]{}`|]+)"""
#: ``token=…``, ``API_KEY=…``
_ASSIGNED = re.compile(rf"(?P<name>(?<![\w.-])[\w.-]++)(?P<sign>=)(?P<value>{_VALUE})")
#: With a colon only as a key of JSON or YAML or an HTTP header: "unexpected token: x" and
#: "password: it is wrong" are ordinary sentences.
_KEY = r"[ \t]{0,200}+(?P<quote>[\"']?)(?<![\w.-])[\w.-]++(?P=quote)"
_COLON = r"(?P<sign>[ \t]{0,9}:[ \t]+|(?<=[\"']):)"
_KEYED = re.compile(rf"(?P<name>(?<=[{{,\[\"']){_KEY}){_COLON}(?P<value>{_VALUE})")
_LINE = re.compile(rf"(?P<name>^{_KEY}){_COLON}(?P<value>{_VALUE})(?=[ \t]*$)", re.MULTILINE)
#: ``--password …``
_OPTION = re.compile(rf"(?P<name>(?<![\w-])--[\w-]++)(?P<sign>[ \t]+)(?P<value>(?!-){_VALUE})")
#: Options whose values say where secrets are stored.
_LOCATION_OPTIONS = ("--hutchbatch-",)


def redacted(text: str, known: Iterable[str] = ()) -> str:
    """``text`` without secrets of these kinds, and without the ``known`` ones."""
    for pattern, instead in _KINDS:
        text = pattern.sub(instead, text)
    text = _URL.sub(lambda found: _redacted_url(found[0]), text)
    for pattern in (_ASSIGNED, _KEYED, _LINE, _OPTION):
        text = pattern.sub(_without_value, text)
    for secret in known:
        if secret in text:
            text = _standing_alone(secret).sub(HIDDEN, text)
    return text


def _redacted_url(url: str) -> str:
    url = _WEBHOOK.sub(rf"\1{HIDDEN}", url)
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}={HIDDEN}" if _SIGNED.fullmatch(found[2]) else found[0],
        url,
    )


def _without_value(found: re.Match[str]) -> str:
    name, value = found["name"].strip(), found["value"]
    if name.startswith(_LOCATION_OPTIONS) or is_ordinary_value(value):
        return found[0]
    if not is_secret_name(name.removeprefix("--")):
        return found[0]
    return f"{found['name']}{found['sign']}{HIDDEN}"


def _standing_alone(secret: str) -> re.Pattern[str]:
    """Matches the secret, but not in the middle of a longer word."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])")
