"""The relations as a graph: node-link JSON, GraphML, Graphviz, Mermaid.

Node-link JSON is `Catalog.graph` as it is, with each relation from both ends. The others are for drawing and have
each relation once, as it is stated; a symmetric one has no arrowhead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from ..graph import Edge
    from .part import Part


def to_node_link(part: Part) -> str:
    """`networkx.node_link_graph(json.loads(text), edges="edges")` gives the graph back."""
    import networkx as nx

    nodes = {e.id for e in part.entries}
    keys = {(e.source, e.target, e.type) for e in part.edges}
    graph = nx.subgraph_view(part.catalog.graph, filter_node=nodes.__contains__, filter_edge=lambda *edge: edge in keys)
    return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1, ensure_ascii=False) + "\n"


def label(edge: Edge) -> str:
    """What is written on the line of a relation."""
    return edge.type.replace("_", " ")


# -- GraphML

NODE_DATA = {
    "label": "string", "name": "string", "family": "string", "kind": "string", "year": "int", "status": "string",
    "difficulty": "int", "tags": "string", "summary": "string",
}  # fmt: skip
EDGE_DATA = dict.fromkeys(("label", "type", "why", "when", "fixes", "claim"), "string")


def to_graphml(part: Part) -> str:
    """GraphML with scalar data, for Gephi (`label`) and yEd (its own graphics).

    Tags are joined by `, `. An edge has an id of its own, `source-type-target`: two entries may be joined twice.
    The keys of yEd's graphics are called as yEd calls them, d3 and d7, because Gephi takes labels from these two.
    """
    return "\n".join([*_graphml(part), ""])


def _graphml(part: Part) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://www.yworks.com/xml/graphml"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns'
        ' http://www.yworks.com/xml/schema/graphml/1.1/ygraphml.xsd">'
    )
    for of, letter, fields in (("node", "n", NODE_DATA), ("edge", "e", EDGE_DATA)):
        for name, type in fields.items():
            yield f'<key id="{letter}_{name}" for="{of}" attr.name="{name}" attr.type="{type}"/>'
    yield '<key id="d3" for="node" yfiles.type="nodegraphics"/>'
    yield '<key id="d7" for="edge" yfiles.type="edgegraphics"/>'
    yield '<graph id="catalog" edgedefault="directed">'
    for entry in part.entries:
        values = {name: getattr(entry, "name" if name == "label" else name) for name in NODE_DATA}
        values["tags"] = ", ".join(values["tags"] or [])
        size = f'<y:Geometry width="{7 * len(entry.name) + 20}.0" height="30.0"/>'
        drawn = f"<y:ShapeNode>{size}<y:NodeLabel>{_xml(entry.name)}</y:NodeLabel></y:ShapeNode>"
        yield f'<node id="{entry.id}">{_data("n", values)}<data key="d3">{drawn}</data></node>'
    for e in part.stated:
        r = e.relation
        values = {"label": label(e), "type": e.type, "why": r.why, "when": r.when, "fixes": r.fixes, "claim": e.proven}
        head = "none" if part.relations[e.type].symmetric else "standard"
        arrows = f'<y:Arrows source="none" target="{head}"/>'
        drawn = f"<y:PolyLineEdge>{arrows}<y:EdgeLabel>{_xml(label(e))}</y:EdgeLabel></y:PolyLineEdge>"
        ends = f'id="{e.source}-{e.type}-{e.target}" source="{e.source}" target="{e.target}"'
        yield f'<edge {ends}>{_data("e", values)}<data key="d7">{drawn}</data></edge>'
    yield "</graph>"
    yield "</graphml>"


def _data(letter: str, values: dict[str, object]) -> str:
    """The values that are there."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return "".join(f'<data key="{letter}_{name}">{_xml(str(value))}</data>' for name, value in given.items())


def _xml(text: str) -> str:
    """Text of an element; characters that XML 1.0 has no way to write become U+FFFD."""
    allowed = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return escape(allowed, {"\r": "&#13;"})


# -- drawings in text


def to_dot(part: Part) -> str:
    """A drawing for Graphviz: `dot -Tsvg`, or `sfdp` for many entries. Reasons are tooltips."""
    lines = [
        f"digraph {_dot(part.catalog.name)} {{",
        'graph [rankdir="LR", overlap="false"]',
        'node [shape="box", style="rounded", fontname="Helvetica"]',
        'edge [fontname="Helvetica", fontsize="10"]',
    ]
    lines += [f"{_dot(e.id)} [label={_dot(e.name)}, tooltip={_tip(e.summary)}]" for e in part.entries]
    for e in part.stated:
        way = ', dir="none"' if part.relations[e.type].symmetric else ""
        look = f"label={_dot(label(e))}, tooltip={_tip(e.relation.why)}{way}"
        lines.append(f"{_dot(e.source)} -> {_dot(e.target)} [{look}]")
    return "\n".join([*lines, "}", ""])


def _dot(text: str) -> str:
    r"""A quoted string that is drawn. Graphviz finds HTML's entities in it first, then escapes such as `\N`."""
    text = text.replace("&", "&amp;").replace('"', "&quot;").replace("\\", "\\\\")
    return '"' + re.sub(r"\r\n?|\n", r"\\n", text) + '"'


def _tip(text: str) -> str:
    """A quoted string that is a tooltip, in which Graphviz looks for escapes twice."""
    return _dot(text.replace("\\", "\\\\"))


def to_mermaid(part: Part) -> str:
    """A flowchart for Mermaid, which draws at most 500 relations unless the page that shows it allows more."""
    lines = ["flowchart LR"]
    lines += [f'    {_node(e.id)}["{_mermaid(e.name)}"]' for e in part.entries]
    for e in part.stated:
        line = "---" if part.relations[e.type].symmetric else "-->"
        lines.append(f'    {_node(e.source)} {line}|"{_mermaid(label(e))}"| {_node(e.target)}')
    return "\n".join([*lines, ""])


def _node(id: str) -> str:
    """An id that is none of Mermaid's words, such as `end` or `graph`."""
    return f"{id}_"


def _mermaid(text: str) -> str:
    """Text inside quotes: ASCII's signs, any of which may be markup, by their numbers; not a hyphen inside a word."""
    return re.sub(r"(?!(?<=\w)-\w)[!-/:-@\[-`{-~]", lambda found: f"#{ord(found[0])};", " ".join(text.split()))
