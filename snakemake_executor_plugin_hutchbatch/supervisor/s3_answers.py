"""Reads the answers of S3, and recognises those that did not come from S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Tuple

from . import s3_bootstrap
from .connection import Connection, NoAnswer

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Characters of an error that are shown.
SHOWN = 300
PAGE = "a web page arrived instead of S3's answer: something on the way blocks it"


def xml(answer: Connection, root: str) -> Tuple[Element, str]:
    """The body of an answer: an XML element named ``root``, and the prefix of the names in it.
    Raises ``NoAnswer`` for anything else, so that the request is repeated."""
    from xml.etree import ElementTree  # most jobs need none

    data = answer.read()
    try:
        # S3's answers have no DTD, which could contain entities that fill the memory.
        element = None if b"<!" in data else ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        element = None
    space, _, name = element.tag.rpartition("}") if element is not None else ("", "", "")
    if element is None or name != root:
        raise NoAnswer(f"no {root} in the answer: is something on the way to S3?")
    return element, space + "}" if space else ""


def check(method: str, answer: Connection) -> None:
    """Raises ``NoAnswer`` for a success that is not from S3. S3's answers to GET and PUT of an
    object have an ETag.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_ResponseSyntax
    """
    if "etag" not in answer.headers and (method == "PUT" or s3_bootstrap.is_page(answer.headers)):
        raise NoAnswer(PAGE)


def plain(text: str) -> str:
    """Text of an answer, made safe for a line in the terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:SHOWN])
