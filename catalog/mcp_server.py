"""The catalog as a server of the Model Context Protocol, for coding agents.

A tool answers with the text that Python prints and with the data that the command line prints for `--json`. All tools
read, none writes. Their descriptions say which one answers which question: that is all an agent sees of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import (
    CallToolResult,
    Completion,
    CompletionArgument,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    ToolAnnotations,
)
from pydantic import Field

from . import __version__, data
from .catalog import Catalog
from .errors import BadQuestion, NoPath, UnknownPattern
from .reading import reading
from .results import Answer

Name = Annotated[str, Field(description="An entry's id, name or alias, in any case", max_length=200)]
Words = Annotated[str, Field(description="Words or a sentence", max_length=2000)]
Ids = Annotated[Sequence[str], Field(description="Ids, names or aliases of entries", max_length=50)]
Where = Annotated[
    Sequence[str],
    Field(
        description="Conditions on facets, such as likelihood=exact, data=image,text (either), sampling!=sequential or "
        "year>=2015; one that does not exist is answered with those that do",
        max_length=20,
    ),
]
Limit = Annotated[int, Field(description="At most so many results", ge=1, le=100)]

MOST = 60
"""Claims, or ids that begin so: more would fill the memory of the one who asks."""

Answered = Annotated[CallToolResult, dict[str, Any]]
"""What tools return: text for people and agents, and the same as data."""


def serve(cat: Catalog) -> None:
    """Answer on standard input and output until the client goes."""
    build(cat).run("stdio")


def build(cat: Catalog) -> MCPServer:
    """The server of a catalog: its tools, its entries as resources, and a prompt."""
    server = MCPServer(
        cat.name,
        version=__version__,
        instructions=instructions(cat),
        tools=[tool(verb) for verb in verbs(cat)],
        log_level="WARNING",
    )

    @server.resource(
        "pattern://{id}", name="pattern", title="An entry", mime_type="text/markdown",
        description="A whole entry as Markdown: problem, solution, claims with what was measured, relations, sources.",
    )  # fmt: skip
    def pattern(id: str) -> str:
        try:
            return str(reading(cat, id))
        except UnknownPattern as error:
            raise ResourceNotFoundError(str(error)) from None

    if cat.ours:
        server.resource(
            "skill://genai-patterns", name="skill", title="How to use the catalog", mime_type="text/markdown",
            description="Which tool or command answers which question, how to read a claim, how to run a reference.",
        )(data.skill)  # fmt: skip

    @server.completion()
    async def ids(ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: Any) -> Completion:
        begun = [id for id in cat.ids if id.startswith(argument.value.lower())]
        of_entries = isinstance(ref, ResourceTemplateReference)
        return Completion(values=begun[:MOST] if of_entries else [], total=len(begun) if of_entries else 0)

    @server.prompt(name="choose_a_pattern", title="Choose a pattern for a problem")
    def choose(problem: str) -> str:
        """Choose a pattern for a problem, with the measured claims that speak for it."""
        return (
            f"Choose a pattern from the catalog {cat.name!r} for this problem:\n\n{problem}\n\n"
            "Call `recommend` with the problem, then `get` with the sections claims, avoid_when and failure_modes for "
            "the two best answers, and `compare` them. Say which one to take and why, with the numbers of the claims "
            "that were measured and what they were measured on; what speaks against it; and what would make the other "
            "one right. Where the catalog does not settle something, say so."
        )

    return server


def instructions(cat: Catalog) -> str:
    """What an agent is told when it connects."""
    measured = ", a reference implementation and claims that tests measured" if cat.ours else ""
    return (
        f"{cat.name}: {len(cat)} entries, each with typed relations{measured}. `ask` takes any question in plain "
        "words; `search` finds entries by words or misspelled names; `recommend` goes from a problem to entries; `get` "
        "reads one. Other tools take ids. A claim holds for the task and the size at which it was measured, not beyond."
    )


def tool(verb: Callable[..., Awaitable[CallToolResult]]) -> Tool:
    """A tool that refuses arguments which it does not know, rather than ignore them."""
    made = Tool.from_function(verb, annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    arguments = type(made.name, (made.fn_metadata.arg_model,), {"__module__": __name__}, extra="forbid")
    made.fn_metadata.arg_model = arguments
    made.parameters = arguments.model_json_schema(by_alias=True)
    return made


def verbs(cat: Catalog) -> Iterator[Callable[..., Awaitable[CallToolResult]]]:
    """The tools, in the order in which they are listed. What they are asked is passed on to methods of the catalog."""

    def verb(answer: Callable[..., Answer]) -> Callable[..., Awaitable[CallToolResult]]:
        @wraps(answer)
        async def call(**arguments: Any) -> CallToolResult:  # not a thread of its own, as a plain function would get
            with told():
                found = answer(**arguments)
            return CallToolResult(
                content=[TextContent(text=str(found))], structured_content={"schema": 1, **found.to_dict()}
            )

        asked = inspect.signature(answer, eval_str=True)
        call.__signature__ = asked.replace(return_annotation=Answered)  # type: ignore[attr-defined]
        return call

    def ask(question: Words) -> Answer:
        """Answer a question in plain words by the tool that is meant, and say which one that was.

        Names, "what fixes ...", "how do I get from A to B", "what must I know before C", "A or B", problems. Begin
        here if you do not know which tool to take.
        """
        return cat.ask(question)

    def search(text: Words, limit: Limit = 10) -> Answer:
        """Find entries by words: a name, an abbreviation, a technique. Misspelling is forgiven.

        Best first, each with the sentence that matched. For a problem take `recommend`, for a symptom `fixes`.
        """
        return cat.search(text, limit)

    def recommend(problem: Words = "", where: Where = (), limit: Limit = 5) -> Answer:
        """Patterns for a problem in plain words, for conditions on facets, or for both, best first.

        Each with why, why not, and the claims or sources that say so; then near misses, which fail one condition.
        """
        return cat.recommend(problem, where, limit)

    def fixes(symptom: Words, limit: Limit = 4) -> Answer:
        """What to do about a failure, from its symptom, such as "samples all look alike".

        The likeliest failure modes first: how to tell, what helps, and patterns that were measured to help.
        """
        return cat.fixes(symptom, limit)

    def get(
        id: Name,
        sections: Annotated[
            list[str] | None,
            Field(
                description="Only these fields of the entry, such as claims, use_when, failure_modes, solution, "
                "relations, implementation, sources; all of them (about 3,000 words) if left out"
            ),
        ] = None,
    ) -> Answer:
        """Read an entry: what it is, when to use it, how it fails, its claims and the numbers that were measured."""
        return reading(cat, id, sections)

    def related(
        id: Name,
        types: Annotated[
            list[str] | None, Field(description="Only these relations, such as builds_on or remedied_by")
        ] = None,
        direction: Annotated[
            Literal["both", "out", "in"], Field(description="out: stated by the entry; in: stated by others about it")
        ] = "both",
        depth: Annotated[
            int | None, Field(description="How many relations away; 1, or any number if ranked", ge=1, le=10)
        ] = None,
        ranked: Annotated[bool, Field(description="The most relevant first, each once, with a score")] = False,
        limit: Limit | None = None,
    ) -> Answer:
        """The entries that relations lead to from this one, with the reason along each.

        An entry has up to thirty relations; for a depth above 1 say a limit, or take the ten most relevant by `ranked`.
        """
        return cat.related(id, types or None, direction, depth, ranked, limit)

    def path(a: Name, b: Name) -> Answer:
        """A shortest chain of relations between two entries, with the reason for each step."""
        return cat.path(a, b)

    def explain(a: Name, b: Name) -> Answer:
        """What joins two entries and what separates them: relations with proofs, history, shared decisions, facets."""
        return cat.explain(a, b)

    def compare(ids: Ids) -> Answer:
        """Two or more entries side by side: facets, trade-offs, failures, and numbers where they may be compared."""
        return cat.compare(ids)

    def diff(a: Name, b: Name) -> Answer:
        """What changes from one entry to another, method by method in the code and field by field in the entry."""
        return cat.diff(a, b)

    def alternatives(id: Name, where: Where = ()) -> Answer:
        """What could be taken instead of an entry, with the trade-off and the facets in which it differs."""
        return cat.alternatives(id, where)

    def learning_path(target: Name, known: Ids = ()) -> Answer:
        """What to read before an entry, in order, without what is known already; each step says what needs it."""
        return cat.learning_path(target, known)

    def lineage(id: Name) -> Answer:
        """What an entry came from and what came of it, in the order of years."""
        return cat.lineage(id)

    def claims(
        ids: Ids = (),
        family: Annotated[Sequence[str], Field(description="Only these families")] = (),
        kind: Annotated[
            Sequence[str], Field(description="Only these kinds: exact, analytic, scaling, comparative, limit")
        ] = (),
        proves: Annotated[
            Sequence[str], Field(description="Only claims that prove such a relation, such as reduces_to")
        ] = (),
        status: Annotated[Sequence[Literal["holds", "missed", "not measured"]], Field(description="Only these")] = (),
        text: Annotated[Words | None, Field(description="Only claims that speak of this")] = None,
    ) -> Answer:
        """Claims with what was measured, the baseline's number, the bar, the spread over seeds and the date."""
        found = cat.claims(tuple(ids) or None, family=family, kind=kind, proves=proves, status=status, text=text)
        if (many := len({n.claim for n in found})) > MOST:
            raise BadQuestion(f"{many} claims fit, more than {MOST}; say which by ids, family, kind or text")
        return found

    def compose(ids: Annotated[Ids, Field(description="Entries in the order of the data's way")]) -> Answer:
        """Whether patterns can be put together: which output goes into which input, and what does not fit."""
        return cat.compose(ids)

    def source(id: Name) -> Answer:
        """The source code of an entry's reference, and the command that runs it. Read it before you write your own."""
        return cat.source(id)

    tools = [ask, search, recommend, fixes, get, related, path, explain, compare, diff, alternatives, learning_path]
    yield from map(verb, [*tools, lineage, compose, claims, source])


@contextmanager
def told() -> Iterator[None]:
    """What cannot be asked reaches the agent in the library's words; of other errors it would see nothing."""
    try:
        yield
    except (BadQuestion, UnknownPattern, NoPath) as error:
        raise ToolError(str(error)) from None
