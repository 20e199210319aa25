"""The command line: what it prints where, and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from catalog import checks, cli, data, loader, scaffold

ROOT = Path(__file__).parents[2]
Genai = Callable[..., Result]


@pytest.fixture
def genai(small: Path, monkeypatch: pytest.MonkeyPatch) -> Genai:
    """`genai-patterns`, on the small catalog."""
    monkeypatch.setenv(data.VARIABLE, str(small))

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(cli.cli, arguments, prog_name="genai-patterns")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


def test_list(genai: Genai) -> None:
    result = genai("list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["id", "name", "family", "kind", "year"]
    assert lines[1].split()[0] == "gan"
    assert len(lines) == 5
    assert result.stderr == "4 entries\n"
    assert genai("list", "--family", "adversarial").stdout.count("\n") == 2
    assert [e["id"] for e in json.loads(genai("list", "--family", "adversarial", "--json").stdout)["entries"]] == [
        "gan"
    ]
    assert json.loads(genai("list", "--kind", "sampler", "--json").stdout) == {"schema": 1, "entries": []}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list", "--kind", "architectur"], 2, "no value 'architectur' of kind; did you mean 'architecture'?"),
        (["list", "--status", "zzz"], 2, "there are established, emerging"),
        (["show", "vea"], 2, "no pattern 'vea'; did you mean vae"),
        (["show"], 2, "Missing argument 'ID'"),
        (["related", "vae", "--type", "builds_om"], 2, "no relation 'builds_om'; did you mean 'builds_on'?"),
        (["related", "vae", "--depth", "0"], 2, "0 is not in the range"),
        (["path", "vae", "nothing"], 2, "no pattern 'nothing'"),
        (["search", "xqzt"], 1, "nothing speaks of 'xqzt'"),
        (["serch", "vae"], 2, "No such command 'serch'"),
        (["run"], 2, "Missing argument 'ID'"),
        (["run", "vea"], 2, "no pattern 'vea'"),
        (["sample", "vae"], 2, "Missing option '--from'"),
        (["sample", "vae", "--from", "x", "--grid", "4by4"], 2, "write ROWSxCOLUMNS, such as 4x8"),
        (["sample", "vae", "--from", "x", "--grid", "2x2", "-n", "5"], 2, "do not agree"),
        (["run", "vae"], 2, "the reference of vae cannot be found: No module named 'reference_impl.made_up'"),
        (["sample", "vae", "--from", "x"], 2, "the reference of vae cannot be found"),
        (["verify"], 2, "say what to verify"),
        (["verify", "vae.nothing"], 2, "vae has no claim 'nothing'; it has exact_claim"),
        (["verify", "vae", "--shard", "3/2"], 2, "write I/N with 1 <= I <= N"),
        (["new", "Wgan", "--family", "adversarial", "--name", "W"], 2, "ids are lower-case words"),
        (["validate", "no/such/folder"], 1, "there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_without_traceback(
    arguments: list[str], code: int, said: str, genai: Genai
) -> None:
    result = genai(*arguments)
    assert result.exit_code == code
    assert said in result.output
    assert "Traceback" not in result.output


def test_show(genai: Genai) -> None:
    text = genai("show", "variational autoencoders").stdout
    assert text.startswith("Variational Autoencoder\n  vae · Latent variable · architecture · 2013 · established")
    for part in ("Something exact holds. [not measured]", "specialized by Beta-VAE (beta_vae)", "arXiv:1312.6114"):
        assert part in text
    shown = json.loads(genai("show", "VAE", "--json").stdout)
    assert shown["schema"] == 1
    assert shown["entry"]["structure"][0]["in"] == ["x"]
    assert {r["type"] for r in shown["relations"]} == {"builds_on", "alternative_to", "specialized_by", "recovered_by"}
    assert shown["evidence"] == {}


def test_show_brings_what_was_measured(genai: Genai, small: Path) -> None:
    record = {"digest": "d", "measures": {"gap": {"value": 2e-5}}, "seconds": 1.0, "device": "cpu", "versions": {}}
    evidence = {"schema": 1, "claims": {"exact_claim": {**record, "date": "2026-01-31"}}}
    (small / "latent_variable" / "vae").mkdir()
    (small / "latent_variable" / "vae" / "evidence.json").write_text(json.dumps(evidence))
    assert "2e-05" in genai("show", "vae").stdout
    assert (
        json.loads(genai("show", "vae", "--json").stdout)["evidence"]["exact_claim"]["measures"]["gap"]["value"] == 2e-5
    )


def test_related_path_and_search(genai: Genai) -> None:
    assert "builds on\n  Autoencoder (autoencoder)" in genai("related", "vae").stdout
    found = json.loads(genai("related", "vae", "--type", "specializes", "--direction", "in", "--json").stdout)
    assert [(r["id"], r["type"]) for r in found["related"]] == [("beta_vae", "specialized_by")]
    assert json.loads(genai("path", "beta_vae", "gan", "--json").stdout)["ids"] == ["beta_vae", "vae", "gan"]
    assert "A reason for alternative_to." in genai("path", "beta_vae", "gan").stdout
    hits = json.loads(genai("search", "varational", "--json").stdout)
    assert (hits["query"], hits["corrected"], hits["hits"][0]["id"]) == ("varational", "variational", "vae")
    result = genai("search", "varational", "autoencoder", "--limit", "1")
    assert result.stdout.startswith("Variational Autoencoder (vae)\n")
    assert result.stderr == "looked for: variational autoencoder\n"


def test_no_path_is_a_problem(genai: Genai, folder: Any, make: Any) -> None:
    folder.write(make("alone", "flow"))
    result = genai("path", "alone", "vae")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no relations lead from alone to vae" in result.stderr


@pytest.mark.parametrize("command", [(), *((name,) for name in cli.cli.commands)])
def test_help_has_examples(command: tuple[str, ...], genai: Genai) -> None:
    result = genai(*command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"genai-patterns {' '.join(command)}".strip() in result.stdout


def test_exit_codes_are_documented(genai: Genai) -> None:
    text = " ".join(genai("--help").stdout.split())
    assert "Exit codes: 0 all is well; 1 problems were found; 2 the command cannot be run as given." in text


def test_a_broken_catalog_is_reported_whole(genai: Genai, folder: Any) -> None:
    folder.text("flow/x.yaml", "id: x\nid: y\n")
    result = genai("list")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "flow/x.yaml:2:1: the key 'id' is given twice" in result.stderr
    assert "the catalog cannot be used" in result.stderr


def test_validate(genai: Genai, small: Path, folder: Any) -> None:
    result = genai("validate")
    assert result.exit_code == 1  # the made-up entries have no references
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert all("there is no module reference_impl.made_up." in line for line in lines)
    assert result.stderr.endswith(" in 4 sound entries\n")
    folder.text("flow/x.yaml", "id: 3\n")
    alone = json.loads(genai("validate", str(small / "flow" / "x.yaml"), "--json").stdout)
    assert {Path(p["file"]).name for p in alone["problems"]} == {"x.yaml"}
    assert {"file", "line", "column", "message", "fix"} == set(alone["problems"][0])


def checkout(root: Path, make: Any, folder: Any, **changes: Any) -> list[str]:
    """A checkout of one entry with reference, tests and evidence; what the checks say of it."""
    folder.write(make("thing", "flow", **changes))
    catalog, problems = loader.read(folder.root)
    assert not problems
    return [str(p) for p in checks.check(catalog)]


def test_code_and_entries_are_held_together(tmp_path: Path, make: Any, folder: Any) -> None:
    files = {
        "reference_impl/made_up/thing.py": "class Thing:\n    theta = 1\n",
        "tests/claims/flow/test_thing.py": "".join(
            f"def test_{kind}_claim(claim): ...\n" for kind in ("exact", "analytic", "comparative")
        ),
    }
    scaffold.write(tmp_path, files)
    record = {"digest": "d", "measures": {}, "seconds": 1.0, "device": "cpu", "versions": {}, "date": "2026-01-31"}
    measured = {f"{kind}_claim": record for kind in ("exact", "analytic", "comparative")}
    folder.text("flow/thing/evidence.json", json.dumps({"schema": 1, "claims": measured}))
    assert checkout(tmp_path, make, folder) == []

    said = "\n".join(checkout(tmp_path, make, folder, symbols=[{"symbol": "b", "meaning": "b", "code": "self.thetta"}]))
    assert "symbols[0].code: " in said
    assert "has no identifier 'self'" in said
    (tmp_path / "reference_impl/made_up/thing.py").write_text("class Thin:\n    theta = 1\n")
    assert "has no class 'Thing'; did you mean 'Thin'?" in checkout(tmp_path, make, folder)[0]
    (tmp_path / "reference_impl/made_up/thing.py").write_text("class Thing(\n")
    assert "not valid Python" in checkout(tmp_path, make, folder)[0]
    scaffold_again = tmp_path / "reference_impl/made_up/thing.py"
    scaffold_again.write_text(files["reference_impl/made_up/thing.py"])

    tests = tmp_path / "tests/claims/flow/test_thing.py"
    tests.write_text(files["tests/claims/flow/test_thing.py"].replace("test_exact_claim", "test_exact_clam"))
    said = "\n".join(checkout(tmp_path, make, folder))
    assert "claims[0]: no test measures 'exact_claim'; write test_exact_claim in" in said
    assert "test_thing.py:1:1: test_exact_clam measures no claim of thing; did you mean 'exact_claim'?" in said
    tests.rename(tests.with_name("test_other.py"))
    said = "\n".join(checkout(tmp_path, make, folder))
    assert "no test measures the claims of thing" in said
    assert "test_other.py:1:1: measures claims of an entry that does not exist" in said
    tests.with_name("test_other.py").rename(tests)
    tests.write_text(files["tests/claims/flow/test_thing.py"])

    folder.text("flow/thing/evidence.json", json.dumps({"schema": 1, "claims": {}}))
    assert len([s for s in checkout(tmp_path, make, folder) if "was never measured" in s]) == 3
    folder.text("flow/thing/evidence.json", "{")
    assert "evidence.json:1:1: is no evidence" in checkout(tmp_path, make, folder)[0]


def test_new_writes_what_validate_asks_to_fill_in(genai: Genai, small: Path) -> None:
    root = small.parent
    result = genai("new", "wgan", "--family", "adversarial", "--name", "Wasserstein GAN")
    assert result.exit_code == 2
    assert "does not lie in a checkout" in result.stderr
    (root / "tests" / "claims").mkdir(parents=True)
    result = genai("new", "wgan", "--family", "adversarial", "--name", "Wasserstein GAN")
    assert result.exit_code == 0
    made = result.stdout.split()
    assert made == list(scaffold.files("wgan", "adversarial", "W"))
    assert all((root / name).is_file() for name in made)
    compile((root / made[1]).read_text(), made[1], "exec")
    problems = json.loads(genai("validate", str(root / made[0]), "--json").stdout)["problems"]
    assert len(problems) > 30
    assert all("fill it in" in p["fix"] or "take one of these" in p["fix"] for p in problems)
    again = genai("new", "wgan", "--family", "adversarial", "--name", "Other")
    assert (again.exit_code, "there already, nothing was written" in again.stderr) == (2, True)
    assert "has this id or name already" in genai("new", "gan2", "--family", "adversarial", "--name", "GANs").stderr
    assert "did you mean 'adversarial'?" in genai("new", "x", "--family", "adversarail", "--name", "X").stderr


def test_a_scaffold_never_overwrites(tmp_path: Path) -> None:
    files = scaffold.files("wgan", "adversarial", "Wasserstein GAN: with colon")
    (tmp_path / "reference_impl" / "adversarial").mkdir(parents=True)
    (tmp_path / "reference_impl" / "adversarial" / "wgan.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"wgan\.py: there already"):
        scaffold.write(tmp_path, files)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["wgan.py"]


def test_schema(genai: Genai) -> None:
    assert json.loads(genai("schema").stdout) == scaffold.json_schema()


def shell(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "catalog", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)


def test_the_module_is_the_command(small: Path) -> None:
    done = shell("related", "vae", CATALOG_PATTERNS=str(small))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Variational Autoencoder (vae): 4 relations\n")
    assert "\x1b" not in done.stdout
    assert shell("list", CATALOG_PATTERNS=str(small / "nowhere")).returncode == 1
    assert shell("show", "zzz", CATALOG_PATTERNS=str(small)).returncode == 2


def test_the_shell_completes_ids(small: Path) -> None:
    env = {"COMP_WORDS": "genai-patterns show be", "COMP_CWORD": "2", "CATALOG_PATTERNS": str(small)}
    done = shell(_GENAI_PATTERNS_COMPLETE="bash_complete", **env)
    assert done.stdout.strip() == "plain,beta_vae"


def test_a_reader_that_leaves_early_is_no_error(small: Path) -> None:
    command = f"{sys.executable} -m catalog show vae --json | head -n 1; exit ${{PIPESTATUS[0]}}"
    env = os.environ | {"CATALOG_PATTERNS": str(small)}
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_a_broken_pipe_ends_quietly(genai: Genai, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(cli.ask, "emit", full)
    monkeypatch.setattr(cli.shell, "silence", lambda: None)
    assert genai("list", "--json").exit_code == 0


def test_interrupting_gives_130(genai: Genai, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.ask, "loaded", interrupt)
    result = genai("list")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(("module", "extra"), [("torch", "reference"), ("mkdocs.config", "site"), ("pooch", "data")])
def test_what_is_not_installed_is_named_with_its_extra(
    module: str, extra: str, genai: Genai, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(entry: Any) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(cli.run, "reference", missing)
    for arguments in (["run", "vae"], ["sample", "vae", "--from", "x"]):
        result = genai(*arguments)
        assert result.exit_code == 2
        assert f"this needs the {extra} extra: pip install 'genai-patterns[{extra}]'" in result.stderr


def test_a_terminal_gets_a_drawn_table_and_no_color_is_respected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.shell.table(("id", "year"), [("vae", "2013")])
    assert "─" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.shell.table(("id", "year"), [("vae", "2013")])
    assert capsys.readouterr().out == "id   year\nvae  2013\n"


# -- running references: one run of the smallest, through the command


def real(*arguments: str) -> Result:
    """`genai-patterns`, on the real catalog."""
    env = {data.VARIABLE: str(ROOT / "patterns")}
    result = CliRunner().invoke(cli.cli, arguments, prog_name="genai-patterns", env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def hopfield(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of the Hopfield network, which has nothing to train."""
    out = tmp_path_factory.mktemp("runs") / "hopfield"
    done = real("run", "hopfield_network", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "recalled exactly" in done.stdout
    return out


def test_run_passes_arguments_on(hopfield: Path) -> None:
    assert (hopfield / "weights.safetensors").is_file()
    help = real("run", "hopfield_network", "--help")
    assert help.exit_code == 0
    assert help.stdout.startswith("usage: genai-patterns run hopfield_network")
    assert "settings (name=value):" in help.stdout
    wrong = real("run", "hopfield_network", "--seed", "1", "stepps=3")
    assert wrong.exit_code == 2
    assert "did you mean 'steps'?" in wrong.stderr


def test_sample_draws_from_a_run(hopfield: Path, tmp_path: Path) -> None:
    sample = ("sample", "hopfield_network", "--from", str(hopfield))
    one, same, other = (tmp_path / name for name in ("one.png", "same.png", "other.svg"))
    for out in (one, same):
        done = real(*sample, "--grid", "2x3", "--seed", "1", "--out", str(out))
        assert (done.exit_code, done.stdout) == (0, f"{out}\n"), done.output
    assert one.read_bytes() == same.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")
    assert real(*sample, "-n", "3", "--out", str(other)).exit_code == 0
    assert other.read_text().startswith("<svg")
    numbers = tmp_path / "numbers.npy"
    assert real(*sample, "-n", "3", "--out", str(numbers)).exit_code == 0
    assert len(np.load(numbers, allow_pickle=False)) == 3
    for arguments, said in (
        (("gan", "--from", str(hopfield)), "is a run of reference_impl.energy.hopfield_network:Hopfield, not of"),
        (("hopfield_network", "--from", str(tmp_path / "none")), "no trained model"),
        (("hopfield_network", "--from", str(hopfield), "--out", "x.gif"), "give a name in .png or .svg"),
        (("hopfield_network", "--from", str(hopfield), "--label", "3"), "--label 3: the run has no classes"),
    ):
        wrong = real("sample", *arguments)
        assert (wrong.exit_code, said in wrong.stderr) == (2, True), wrong.output


def test_a_question_is_answered_from_ones_own_text(tmp_path: Path) -> None:
    notes, out = tmp_path / "notes.txt", str(tmp_path / "found")
    notes.write_text("Tea is brewed at 80 degrees. Green tea, that is.\n\nCoffee wants 93 degrees.\n")
    done = real("run", "lexical_retrieval", "--data", str(notes), "--out", out)
    assert done.exit_code == 0, done.output
    printed = real("sample", "lexical_retrieval", "--from", out, "-n", "1", "--prompt", "How hot for coffee?").stdout
    assert printed.strip() == "Coffee wants 93 degrees. [notes-2/paragraph]"


def test_a_prompt_is_continued(hopfield: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "gpt")
    done = real("run", "gpt", "steps=2", "layers=1", "channels=32", "context=32", "--out", out)
    assert done.exit_code == 0, done.output
    sample = ("sample", "gpt", "--from", out)
    printed = real(*sample, "-n", "2", "--prompt", "A model", "--length", "20").stdout
    written = printed.removesuffix("\n").split("\n\n---\n\n")
    assert [text[:7] for text in written] == ["A model"] * 2
    assert [len(text) for text in written] == [20, 20]
    # the length of windows is a setting of the data too
    assert json.loads((tmp_path / "gpt" / "run.json").read_text())["facts"]["context"] == 32
    for arguments, said in (
        (("--prompt", "日本"), "not among the characters that training saw"),
        (("--prompt", ""), "the text is empty"),
        (("--prompt", "A model", "--length", "5"), "the prompt alone has 7 tokens"),
    ):
        wrong = real(*sample, *arguments)
        assert (wrong.exit_code, said in wrong.stderr) == (2, True), wrong.output
    for arguments in (("--prompt", "x"), ("--length", "9")):
        assert real("sample", "hopfield_network", "--from", str(hopfield), *arguments).exit_code == 2
