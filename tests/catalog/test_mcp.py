"""The server for agents: the same answers as Python's, errors that help, and nothing but the protocol on its output."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult, PromptReference, ResourceTemplateReference

import catalog
from catalog import data
from catalog.catalog import Catalog
from catalog.cli import cli
from catalog.mcp_server import build
from catalog.reading import reading

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "catalog", "mcp"]


@pytest.fixture(scope="module")
def cat() -> Catalog:
    return catalog.load(ROOT / "patterns")


@pytest.fixture(scope="module")
def server(cat: Catalog) -> MCPServer:
    return build(cat)


def asked(server: Any, ask: Callable[[Client], Any]) -> Any:
    """What a client that is connected to the server finds out."""

    async def session() -> Any:
        async with Client(server) as client:
            return await ask(client)

    return anyio.run(session)


def called(server: Any, name: str, **arguments: Any) -> CallToolResult:
    return asked(server, lambda client: client.call_tool(name, arguments))


def said(result: CallToolResult) -> str:
    return "".join(part.text for part in result.content if part.type == "text")


CALLS: list[tuple[str, dict[str, Any], Callable[[Catalog], Any]]] = [
    ("ask", {"question": "what fixes posterior collapse?"}, lambda cat: cat.ask("what fixes posterior collapse?")),
    (
        "recommend",
        {"problem": "share a table", "where": ["likelihood=exact"], "limit": 2},
        lambda cat: cat.recommend("share a table", ["likelihood=exact"], 2),
    ),
    ("fixes", {"symptom": "samples all look alike"}, lambda cat: cat.fixes("samples all look alike")),
    ("explain", {"a": "ddpm", "b": "ddim"}, lambda cat: cat.explain("ddpm", "ddim")),
    ("alternatives", {"id": "vae"}, lambda cat: cat.alternatives("vae")),
    (
        "learning_path",
        {"target": "wgan_gp", "known": ["GANs"]},
        lambda cat: cat.learning_path("wgan_gp", ["gan"]),
    ),
    ("lineage", {"id": "latent_diffusion"}, lambda cat: cat.lineage("latent_diffusion")),
    ("compare", {"ids": ["vae", "GANs", "ddpm"]}, lambda cat: cat.compare(["vae", "gan", "ddpm"])),
    ("diff", {"a": "vae", "b": "beta_vae"}, lambda cat: cat.diff("vae", "beta_vae")),
    (
        "claims",
        {"family": ["flow"], "kind": ["exact"], "text": "density"},
        lambda cat: cat.claims(family=["flow"], kind=["exact"], text="density"),
    ),
    ("compose", {"ids": ["vq_vae", "gpt"]}, lambda cat: cat.compose(["vq_vae", "gpt"])),
    ("search", {"text": "mode collpase", "limit": 3}, lambda cat: cat.search("mode collpase", 3)),
    ("get", {"id": "variational auto-encoders"}, lambda cat: reading(cat, "vae")),
    ("get", {"id": "vae", "sections": ["claims"]}, lambda cat: reading(cat, "vae", ["claims"])),
    ("related", {"id": "vae"}, lambda cat: cat.related("vae")),
    (
        "related",
        {"id": "gan", "types": ["specializes"], "direction": "in", "depth": 2},
        lambda cat: cat.related("gan", ["specializes"], "in", 2),
    ),
    ("path", {"a": "vae", "b": "gpt"}, lambda cat: cat.path("vae", "gpt")),
    ("source", {"id": "vae"}, lambda cat: cat.source("vae")),
]


@pytest.mark.parametrize(("name", "arguments", "answer"), CALLS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_tool_answers_what_python_answers(cat: Catalog, server: MCPServer, name: str, arguments: Any, answer: Any):
    result, expected = called(server, name, **arguments), answer(cat)
    assert not result.is_error
    assert said(result) == str(expected)
    assert result.structured_content == json.loads(json.dumps({"schema": 1, **expected.to_dict()}))


@pytest.mark.parametrize(
    ("name", "arguments", "command"),
    [
        ("search", {"text": "exact likelihood"}, ["search", "exact likelihood"]),
        ("get", {"id": "vae"}, ["show", "vae"]),
        ("related", {"id": "vae", "types": ["builds_on"]}, ["related", "vae", "--type", "builds_on"]),
        ("path", {"a": "vae", "b": "gpt"}, ["path", "vae", "gpt"]),
        ("source", {"id": "vae"}, ["source", "vae"]),
        ("ask", {"question": "path from vae to gpt"}, ["ask", "path from vae to gpt"]),
        ("recommend", {"problem": "draw faces"}, ["recommend", "draw faces"]),
        ("fixes", {"symptom": "mode collapse"}, ["fixes", "mode collapse"]),
        ("explain", {"a": "vae", "b": "gan"}, ["explain", "vae", "gan"]),
        ("alternatives", {"id": "vae"}, ["alternatives", "vae"]),
        ("learning_path", {"target": "wgan"}, ["learning-path", "wgan"]),
        ("lineage", {"id": "vae"}, ["lineage", "vae"]),
        ("compose", {"ids": ["vq_vae", "gpt"]}, ["compose", "vq_vae", "gpt"]),
        ("compare", {"ids": ["lstm", "gru"]}, ["compare", "lstm", "gru"]),
        ("diff", {"a": "vae", "b": "beta_vae"}, ["diff", "vae", "beta_vae"]),
        ("claims", {"ids": ["vae"]}, ["claims", "vae"]),
    ],
)
def test_a_tool_and_a_command_give_the_same_data(server: MCPServer, name: str, arguments: Any, command: list[str]):
    printed = CliRunner().invoke(cli, [*command, "--json"], prog_name="genai-patterns")
    assert json.loads(printed.stdout) == called(server, name, **arguments).structured_content


def test_every_tool_is_tried_above_and_says_what_it_is_for(server: MCPServer):
    tools = asked(server, lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == {name for name, _, _ in CALLS}
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert len(tool.description) > 40
        assert tool.output_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("name", "arguments", "hint"),
    [
        ("get", {"id": "vea"}, "did you mean"),
        ("get", {"id": ""}, "no pattern ''"),
        ("get", {"id": "vae", "sections": ["claim"]}, "did you mean 'claims'?"),
        ("related", {"id": "vae", "types": ["buils_on"]}, "did you mean 'builds_on'?"),
        ("related", {"id": "vae", "direction": "up"}, "'both', 'out' or 'in'"),
        ("related", {"id": "vae", "depth": 0}, "greater than or equal to 1"),
        ("related", {"id": "vae", "type": "builds_on"}, "type\n  Extra inputs are not permitted"),
        ("path", {"a": "vae"}, "b\n  Field required"),
        ("search", {"text": ["a"]}, "valid string"),
        ("search", {"text": "x" * 5000}, "at most 2000 characters"),
        ("source", {"id": "../../etc/passwd"}, "no pattern"),
        ("recommend", {}, "nothing to recommend for"),
        ("recommend", {"where": ["likelyhood=exact"]}, "did you mean 'likelihood'?"),
        ("recommend", {"where": "likelihood=exact"}, "not allowed as a Sequence"),
        ("learning_path", {"target": "vae", "known": ["gann"]}, "did you mean"),
        ("compose", {"ids": ["vae"]}, "two"),
        ("explain", {"a": "vae", "b": "VAEs"}, "same"),
        ("ask", {"question": " "}, "question"),
        ("compare", {"ids": ["vae"]}, "two"),
        ("diff", {"a": "vae", "b": "vae"}, "same"),
        ("claims", {}, "say which by ids"),
        ("claims", {"kind": ["exct"]}, "did you mean 'exact'?"),
        ("sarch", {"text": "vae"}, "Unknown tool: sarch"),
    ],
)
def test_what_cannot_be_asked_is_told_why(server: MCPServer, name: str, arguments: dict[str, Any], hint: str):
    result = called(server, name, **arguments)
    assert result.is_error
    assert hint in said(result)


def test_nothing_that_is_asked_makes_a_tool_crash(server: MCPServer):
    """Whatever the arguments: the answer, or an error that says more than that there was one."""
    draw = random.Random(0)
    texts = ["", " ", "vae", "gan", "vea", "\0", "😀" * 50, "x" * 1900, "a b c " * 300, "%s {} ' \" --", "-1", "null"]
    values = [*texts, 0, -1, 1, 2**70, 1.5, True, None, [], ["vae"], ["vae", "gan"], [1], {}, {"id": "vae"}, [[]]]

    async def session(client: Client) -> int:
        tools = (await client.list_tools()).tools
        answered = 0
        for tool in tools * 40:
            known = list(tool.input_schema["properties"])
            names = [n for n in [*known, "other"] if draw.random() < (0.8 if n in known else 0.1)]
            result = await client.call_tool(tool.name, {n: draw.choice(values) for n in names})
            answered += not result.is_error
            if result.is_error:
                assert said(result).startswith(f"Error executing tool {tool.name}: "), (tool.name, said(result))
        return answered

    assert asked(server, session) > 0


def test_ids_are_completed(server: MCPServer):
    async def session(client: Client) -> tuple[list[str], list[str]]:
        entry, prompt = ResourceTemplateReference(uri="pattern://{id}"), PromptReference(name="choose_a_pattern")
        ids = await client.complete(entry, {"name": "id", "value": "WGAN"})
        none = await client.complete(prompt, {"name": "problem", "value": "wgan"})
        return ids.completion.values, none.completion.values

    assert asked(server, session) == (["wgan", "wgan_gp"], [])


def test_entries_the_skill_and_a_prompt_are_there_to_be_attached(cat: Catalog, server: MCPServer):
    async def session(client: Client) -> tuple[str, str, str]:
        entry = (await client.read_resource("pattern://gan")).contents[0].text
        skill = (await client.read_resource("skill://genai-patterns")).contents[0].text
        prompt = (await client.get_prompt("choose_a_pattern", {"problem": "sort socks"})).messages[0].content.text
        with pytest.raises(Exception, match="did you mean"):
            await client.read_resource("pattern://gann")
        return entry, skill, prompt

    entry, skill, prompt = asked(server, session)
    assert entry == str(reading(cat, "gan"))
    assert skill == (ROOT / "catalog" / "skill.md").read_text(encoding="utf-8")
    assert "sort socks" in prompt
    tools = {tool.name for tool in asked(server, lambda client: client.list_tools()).tools}
    assert set(re.findall(r"`([a-z]\w+)`", prompt)) <= tools


# -- as a process


def test_a_client_starts_the_server_and_asks_it():
    start = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], cwd=ROOT, env={"OMP_NUM_THREADS": "1"})

    async def session(client: Client) -> tuple[str, int, CallToolResult]:
        assert client.server_info is not None
        tools = (await client.list_tools()).tools
        return client.server_info.name, len(tools), await client.call_tool("search", {"text": "VAE"})

    name, tools, found = asked(stdio_client(start), session)
    assert name == "Generative-AI patterns"
    assert tools == len({name for name, _, _ in CALLS})
    assert found.structured_content is not None
    assert found.structured_content["hits"][0]["id"] == "vae"


def exchanged(*messages: dict[str, Any] | str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """The lines that the server writes when it is sent these; each must be a message of the protocol."""
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    hello = [{"id": 0, "method": "initialize", "params": about}, {"method": "notifications/initialized"}]
    lines = [m if isinstance(m, str) else json.dumps({"jsonrpc": "2.0", **m}) for m in [*hello, *messages]]
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    replies = []
    try:
        for line in lines:  # a client waits for the reply before it closes the connection
            process.stdin.write(line + "\n")
            process.stdin.flush()
            if '"id"' in line:
                replies.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        replies += [json.loads(line) for line in process.stdout]
        assert process.wait(20) == 0
    finally:
        process.kill()
    assert all(reply["jsonrpc"] == "2.0" for reply in replies)
    return replies


def call(number: int, name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}


def test_nothing_but_the_protocol_is_written_and_damaged_lines_are_survived():
    replies = exchanged(
        call(1, "search", text="posterior collapse"),
        "this is no JSON",
        '{"jsonrpc": "2.0", "method": 7}',
        {"id": 2, "method": "tools/call", "params": {"name": 5}},
        {"id": 3, "method": "no/such/method"},
        call(4, "get", id="nothing"),
        call(5, "source", id="vae"),
    )
    by_id = {reply.get("id"): reply for reply in replies}
    assert by_id[1]["result"]["structuredContent"]["hits"]
    assert "error" in by_id[2]
    assert "error" in by_id[3]
    assert by_id[4]["result"]["isError"]
    assert "class VAE" in by_id[5]["result"]["structuredContent"]["code"]


def test_an_own_catalog_is_served(small: Path):
    (small / "catalog.yaml").write_text("name: Small\nfamilies: {latent_variable: Latent, adversarial: Games}\n")
    replies = exchanged(call(1, "get", id="vae", sections=["summary"]), env={data.VARIABLE: str(small)})
    assert replies[0]["result"]["serverInfo"]["name"] == "Small"
    assert replies[1]["result"]["structuredContent"]["entry"]["summary"] == "A model made up for tests."


def test_a_catalog_with_mistakes_is_not_served(small: Path):
    (small / "latent_variable" / "vae.yaml").write_text("id: vae\nid: vae\n")
    env = os.environ | {data.VARIABLE: str(small)}
    done = subprocess.run(COMMAND, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "vae.yaml:2:1" in done.stderr


def test_the_tools_need_no_torch():
    code = (
        "import sys, anyio, catalog\nfrom mcp.client import Client\nfrom catalog.mcp_server import build\n"
        "async def main():\n    async with Client(build(catalog.load())) as client:\n"
        f"        for name, arguments in {[(n, a) for n, a, _ in CALLS]!r}:\n"
        "            assert not (await client.call_tool(name, arguments)).is_error, name\n"
        "anyio.run(main)\nassert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_related_entries_can_be_few(server: MCPServer) -> None:
    few = called(server, "related", id="vae", depth=4, limit=5)
    assert few.structured_content is not None
    assert len(few.structured_content["related"]) == 5
    ranked = called(server, "related", id="vae", ranked=True)
    assert ranked.structured_content is not None
    assert len(ranked.structured_content["related"]) == 10
