"""YAML whose aliases and depth are bounded before anything walks through it.

A few hundred bytes of nested aliases mean billions of nodes for whoever copies or checks what they stand for;
the parser itself shares them and notices nothing.
"""

from collections.abc import Iterator
from typing import Any

import yaml

MOST_DEPTH = 100
EXPANSION = 10  # how often aliases may repeat what a text holds, on average
FREE_NODES = 10_000

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnboundedYamlError(yaml.YAMLError):
    """Aliases that stand for too much, or for themselves, or nesting that is too deep."""


def load(text: str) -> Any:
    """The value of one YAML document, as PyYAML's safe loader reads it.

    Raises:
        yaml.YAMLError: It is no YAML, or without bounds.
    """
    compose(text)
    return yaml.load(text, Loader=Loader)


def compose(text: str) -> yaml.Node | None:
    """The nodes of one YAML document; ``None`` where the text holds none.

    Raises:
        yaml.YAMLError: It is no YAML, or without bounds.

    >>> compose("{a: &a [1, 2], b: [*a, *a]}").tag
    'tag:yaml.org,2002:map'
    >>> compose("a: &a [*a]")
    Traceback (most recent call last):
    stylewav_pl.bounded_yaml.UnboundedYamlError: line 1: an alias stands for something that contains itself
    """
    try:
        root: yaml.Node | None = yaml.compose(text, Loader=Loader)
    except RecursionError as error:  # without libyaml, which has a limit of its own
        raise UnboundedYamlError(f"nested more than {MOST_DEPTH} deep") from error
    if root is not None:
        _check(root)
    return root


def check_text(text: str) -> None:
    """Refuses a text that would be without bounds if somebody read it as YAML; most texts are no YAML at all.

    Raises:
        UnboundedYamlError: That is so.
    """
    if "&" not in text or "*" not in text:
        return
    try:
        root = yaml.compose(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError):
        return
    if isinstance(root, yaml.CollectionNode):  # a scalar is the text again
        _check(root)


def _check(root: yaml.Node) -> None:
    sizes: dict[int, int] = {}
    size = _size(root, sizes, frozenset())
    if size > EXPANSION * len(sizes) + FREE_NODES:
        raise UnboundedYamlError(
            f"its aliases stand for {size:,} values, though the text holds {len(sizes):,}"
        )


def _size(node: yaml.Node, sizes: dict[int, int], above: frozenset[int]) -> int:
    """How many nodes one stands for, aliases written out; each is counted once and remembered."""
    if id(node) in above:
        raise UnboundedYamlError(f"{line_of(node)}: an alias stands for something that contains itself")
    if len(above) > MOST_DEPTH:
        raise UnboundedYamlError(f"{line_of(node)}: nested more than {MOST_DEPTH} deep")
    if id(node) not in sizes:
        if isinstance(node, yaml.ScalarNode):
            check_text(node.value)  # parsers of settings read texts again where they expect more than a text
        below = above | {id(node)}
        sizes[id(node)] = 1 + sum(_size(child, sizes, below) for child in _children(node))
    return sizes[id(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def line_of(node: yaml.Node) -> str:
    """Where a node begins, for a person."""
    return f"line {node.start_mark.line + 1}"
