"""YAML as people write it: mappings, lists, texts, whole numbers, true and false. No aliases (ten
lines of them make a billion entries), no tags, limited depth."""

from __future__ import annotations

import yaml

#: Levels of nesting. Catalogues and sites, which are read like this, have 4.
DEEPEST = 12

_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
_BOOL, _INT, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "null"))


class _Loader(yaml.SafeLoader):
    """Reads nodes; raises ``yaml.YAMLError`` for anything that is not plain."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases (& and *) are not read"
        elif getattr(event, "tag", None) is not None:
            problem = "tags (!) are not read"
        elif self.depth >= DEEPEST:
            problem = f"there are more than {DEEPEST} levels"
        else:
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1
        raise yaml.composer.ComposerError(None, None, problem, event.start_mark)


def compose(text: str) -> yaml.Node | None:
    """The root of a text's one document; None for an empty one. Raises ``yaml.YAMLError``."""
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def value(node: yaml.Node) -> object:
    """What a node means. Keys are texts, whatever they look like; so are numbers that are not
    whole, and dates. Raises ``yaml.YAMLError`` for a key that is no text."""
    if isinstance(node, yaml.MappingNode):
        return {key(name): value(item) for name, item in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value(item) for item in node.value]
    text = str(node.value)
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return _BOOLEANS[text.lower()]
    # With a limited length: Python needs minutes for a million digits.
    if node.tag == _INT and text.lstrip("-+").isdecimal() and len(text) < 20:
        return int(text)
    return text


def key(node: yaml.Node) -> str:
    """The name of an entry. Raises ``yaml.YAMLError`` for a collection."""
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, "this is no name", node.start_mark)
    return str(node.value)
