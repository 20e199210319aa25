"""What agents read: Markdown beside every page, llms.txt, the skill; entries stay text, links lead somewhere."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import sys
from html import escape
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from markdown_it import MarkdownIt

import catalog
from catalog import evidence
from catalog.catalog import Catalog
from catalog.cli import cli
from catalog.reading import located, reading
from catalog.site import agents, links, markdown, writer
from catalog.site.book import Book, read, site_folder
from tests.site.sample import HOSTILE, entry, harmless

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def book() -> Book:
    return read(catalog.load(ROOT / "patterns"), site_folder(), {})


@pytest.fixture(scope="module")
def twins(book: Book) -> dict[str, str]:
    return agents.twins(book)


def html(text: str) -> str:
    """What a reader shows that interprets everything, HTML too."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def genai(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments, prog_name="genai-patterns")
    assert done.exit_code == 0, done.output
    return done.stdout


# -- Markdown that stays text


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "`<script>` \\`<script>alert(1)</script>`",
        "``a ` <b>`` <script>x</script>",
        "$x <script>y$ $5 and <script>",
        "```\n<script>",
        "~~~ py\n<i>\n~~~\n<script>x</script>",
        "[a][b]\n\n[b]: javascript:alert(1)",
        "[a]( javascript:alert(1)) [a](<javascript:alert(1)>) [a](JAVASCRIPT:x) ![i](data:text/html,x)",
        "<https://example.org/?<script>> <!-- <script> --> <?php ?>",
        "a\n===\nb\n---\n# c #\n###### d",
    ],
)
@pytest.mark.parametrize("write", [markdown.prose, markdown.sentence, markdown.literal])
def test_nothing_an_entry_says_comes_alive(write, text: str):
    shown = html(f"{write(text)}\n\nAfter.")
    harmless(shown)
    assert "<h" not in shown
    assert shown.rstrip().endswith("<p>After.</p>")  # what follows is still ours


@pytest.mark.parametrize(
    "text",
    [
        "Plain words, *stressed* ones and `code <T>`.",
        "$a < b$ and $p(x\\mid z)$, [a link](https://example.org) costs $5.",
        "1. one\n2. two\n\n- a list\n- of two\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
        "```python\nx = a[0](1) < 2\n```",
    ],
)
def test_ordinary_markdown_is_left_as_it_is(text: str):
    assert markdown.prose(text) == text


def test_a_literal_shows_what_it_says():
    for text in (HOSTILE, "weights_only __init__ a*b*c `x` [y](z) \\alpha <b>"):
        shown = re.sub(r"<[^>]*>", "", html(markdown.literal(text)))
        assert "".join(shown.split()) == "".join(escape(text).replace("&#x27;", "'").split())


def test_a_hostile_entry_is_text_in_all_of_its_markdown():
    other = entry(HOSTILE, id="other", name="Other", aliases=[], relations=[])
    hostile = Book(
        Catalog([entry(HOSTILE, name=HOSTILE[:150], aliases=["Simple"]), other], HOSTILE, {"energy": HOSTILE})
    )
    for text in [*agents.twins(hostile).values(), agents.llms(hostile), agents.llms_full(hostile)]:
        harmless(html(text))


# -- twins


def test_every_page_has_a_twin(book: Book, twins: dict[str, str]):
    pages = {path for path in writer.render(book) if path.endswith(".md")}
    assert pages <= set(twins)
    assert set(twins) - pages == {agents.SKILL}
    for path in pages:
        assert re.match(r"# \S", twins[path]), path


def test_links_of_twins_lead_to_twins(book: Book, twins: dict[str, str]):
    files = set(twins) | set(writer.render(book))
    texts = twins | {"llms.txt": agents.llms(book), "llms-full.txt": agents.llms_full(book)}
    found = 0
    for path, text in texts.items():
        for link in links.in_markdown(text):
            if not re.match(r"https://|#", link):
                found += 1
                target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link.partition("#")[0]))
                assert target in files, (path, link)
    assert found > 1000


def test_twins_hold_no_html_and_nothing_that_was_to_be_filled_in(twins: dict[str, str]):
    for path, text in twins.items():
        prose = re.sub(r"^```.*?^```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$", "", text, flags=re.M | re.S)
        assert not re.search(r"(?<!\\)<(?!https://)[a-z/!]", prose), path
        assert not re.search(r"\{\{|^:::|\{ *[.:#]|^---$", prose, re.M) or path == agents.SKILL, path


def test_a_twin_has_every_claim_with_what_was_measured(book: Book, twins: dict[str, str]):
    for id, e in book.entries.items():
        text = twins[f"patterns/{id}.md"]
        for c in e.claims:
            (block,) = re.findall(rf"^- .*\(`{id}\.{c.id}`, .*\n(?:    - .*\n?)*", text, re.M)
            rows = block.splitlines()[1:]
            assert len(rows) == len(c.measures)
            record = book.evidence[id][c.id]
            for row, (name, m) in zip(rows, c.measures.items(), strict=True):
                assert f": {record.measures[name].value:.4g}" in row
                assert row.endswith(f"bar {evidence.describe_bars(m)}")


def test_a_twin_has_the_code_of_the_reference_as_it_is(book: Book, twins: dict[str, str]):
    for id, code in book.sources.items():
        assert f"## Code of the reference\n\n```python\n{code.rstrip()}\n```\n" in twins[f"patterns/{id}.md"]
    shown = html(markdown.listing('"""\n```py\n````\n"""') + "\n\nAfter.")
    assert shown.count("<pre>") == 1
    assert shown.endswith("<p>After.</p>\n")


def test_sources_that_claims_name_are_listed(book: Book, twins: dict[str, str]):
    for id, e in book.entries.items():
        for key in {c.source.key for c in e.claims} | {m.source for m in e.misconceptions}:
            assert f"\n- `{key}` " in twins[f"patterns/{id}.md"]


def test_parts_of_an_entry_may_be_absent(book: Book):
    e = book.entries["vae"]
    bare = e.model_copy(update={
        name: "" if isinstance(value, str) else [] if isinstance(value, list) else None
        for name, value in e if name not in {"id", "name", "family", "summary", "relations"}
    })  # fmt: skip
    alone = Book(book.catalog, book.evidence)
    assert [s.title for s in markdown.sections(alone, bare)][-1] == "Related patterns"
    assert "None" not in markdown.page(alone, bare).replace("None of", "")
    assert markdown.compact(alone, bare)


def test_another_field_has_its_markdown_too():
    knots = read(catalog.load(ROOT / "catalog" / "starter"), site_folder(), {})
    texts = agents.twins(knots) | {"llms.txt": agents.llms(knots), "llms-full.txt": agents.llms_full(knots)}
    assert {"index.md", "graph.md", "patterns/index.md", "patterns/bowline.md"} <= set(texts)
    assert agents.SKILL not in texts  # it is about this project's patterns
    assert texts["index.md"].startswith("# Knots\n")
    assert "same form as [Sheet bend](sheet_bend.md)" in texts["patterns/bowline.md"]
    assert "- unties after load: easily" in texts["patterns/bowline.md"]
    for text in texts.values():
        assert not re.search(r"[Pp]attern(?!s/)|PyTorch|None|measured", text.replace("genai-patterns", ""))


# -- llms.txt


def test_the_index_has_the_form_of_llmstxt_org(book: Book):
    first, *sections = re.split(r"^## ", agents.llms(book), flags=re.M)
    assert re.fullmatch(r"# [^\n]+\n\n> [^\n]+\n\n(?:[^#\n][^\n]*\n\n)*", first)
    assert sections[-1].startswith("Optional\n")
    for section in sections:
        title, *rows = section.strip().splitlines()
        assert title
        assert all(re.fullmatch(r"- \[.+\]\(\S+\)(: .+)?", row) for row in rows if row)
    listed = set(links.in_markdown("\n".join(sections)))
    assert {f"patterns/{id}.md" for id in book.entries} <= listed


def test_one_file_has_all_entries_and_their_numbers(book: Book):
    whole = agents.llms_full(book)
    for id, e in book.entries.items():
        assert f"\n`{id}` · " in whole
        for c in e.claims:
            assert f"(`{id}.{c.id}`, {c.kind}; holds, measured " in whole
    assert len(whole) < 1_000_000  # a context window holds it


# -- the skill and the commands


def test_the_skill_has_the_form_that_agents_expect():
    front, body = agents.split(agents.skill())
    assert set(front) == {"name", "description"}
    assert re.fullmatch(r"[a-z0-9-]{1,64}", front["name"])
    assert 0 < len(front["description"]) <= 1024
    assert body.strip().startswith("# ")
    assert genai("skill") == agents.skill()
    assert json.loads(genai("skill", "--json")) == {"schema": 1, "skill": agents.skill()}
    assert yaml.safe_load(agents.skill().split("---")[1]) == front


def test_the_skill_names_commands_and_options_that_exist():
    text = agents.skill()
    for line in re.findall(r"genai-patterns ([^`\n]+)", text):
        command, *words = line.split()
        assert command in cli.commands, line
        for option in (w for w in words if w.startswith("--")):
            assert any(option in p.opts for p in cli.commands[command].params) or command == "run", line


def test_the_questions_of_the_skill_are_answered():
    rows = re.findall(r"^\| .+ \| `genai-patterns ([^`]+)` \|$", agents.skill(), re.M)
    assert len(rows) > 10
    for row in rows:
        assert genai(*shlex.split(row)), row


def test_every_row_of_the_skill_names_a_tool_and_its_command():
    from catalog.mcp_server import verbs

    tools = {verb.__name__ for verb in verbs(catalog.load(ROOT / "patterns"))}
    rows = re.findall(r"^\| .+ \| `(\w+)` \| `genai-patterns ([\w-]+)", agents.skill(), re.M)
    assert {tool for tool, _ in rows} == tools
    for tool, command in rows:
        assert command.replace("-", "_") == {"get": "show"}.get(tool, tool)


def test_source_is_printed_as_it_stands_in_the_file(book: Book):
    file = ROOT / "reference_impl" / "latent_variable" / "vae.py"
    assert genai("source", "VAEs") == file.read_text(encoding="utf-8")
    about = json.loads(genai("source", "vae", "--json"))
    assert (about["module"], about["class"], about["code"]) == (
        "reference_impl.latent_variable.vae", "VAE", file.read_text(encoding="utf-8"),
    )  # fmt: skip
    assert "torch" in about["imports"]
    assert book.catalog.source("vae").to_dict() | {"schema": 1} == about
    assert "reference_impl" in str(book.catalog.source("vae"))


def test_every_reference_is_found_without_being_imported(book: Book):
    before = set(sys.modules)
    for e in book.catalog:
        found = book.catalog.source(e.id)
        assert f"class {found.cls}" in found.code
    assert not {m for m in set(sys.modules) - before if m.startswith("reference_impl")}
    assert located("catalog") == ROOT / "catalog" / "__init__.py"
    assert located("no_such_module.at.all") is None
    assert located("catalog.no_such_part") is None


def test_what_has_no_source_says_so(book: Book):
    bare = book.entries["vae"].model_copy(update={"implementation": None, "relations": []})
    away = book.entries["gan"].model_copy(update={
        "relations": [],
        "implementation": book.entries["gan"].implementation.model_copy(update={"reference": "elsewhere.gan:GAN"}),
    })  # fmt: skip
    cat = Catalog([bare, away])
    with pytest.raises(catalog.BadQuestion, match="vae has no reference"):
        cat.source("vae")
    with pytest.raises(catalog.BadQuestion, match=r"elsewhere\.gan, is not installed here"):
        cat.source("gan")


def test_a_reading_has_the_fields_that_were_asked_for(book: Book):
    found = reading(book.catalog, "vae", ["use_when", "relations"])
    assert list(found.to_dict()["entry"]) == ["id", "name", "family", "summary", "use_when", "relations"]
    assert "evidence" not in found.to_dict()
    assert len(found.to_dict()["relations"]) == len(book.catalog.edges("vae"))
    assert re.findall(r"^## (.*)", str(found), re.M) == ["Use when", "Related patterns"]
    assert {row["field"] for row in found.rows()} == set(found.to_dict()["entry"])
