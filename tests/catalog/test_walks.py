"""Walks along relations: ranking, lineage, learning paths, alternatives, explanations."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from click.testing import CliRunner, Result
from networkx.algorithms.link_analysis.pagerank_alg import _pagerank_python

import catalog
from catalog import cli, data, walks
from catalog.catalog import Catalog
from catalog.errors import BadQuestion, UnknownPattern
from catalog.graph import RELATIONS

ROOT = Path(__file__).parents[2]
Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def real() -> Catalog:
    return catalog.load(ROOT / "patterns")


@pytest.fixture
def genai(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`genai-patterns`, on the real catalog."""
    monkeypatch.setenv(data.VARIABLE, str(ROOT / "patterns"))

    def call(*arguments: str) -> Result:
        result = CliRunner().invoke(cli.cli, arguments, prog_name="genai-patterns")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


# -- ranking


def weighted(cat: Catalog, types: set[str]) -> nx.DiGraph:
    """The catalog's relations with their weights, parallel ones added up, by number."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(cat)))
    at = {id: n for n, id in enumerate(cat.ids)}
    for e in (e for id in cat.ids for e in cat.edges(id) if e.type in types):
        a, b = at[e.source], at[e.target]
        before = graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0.0
        graph.add_edge(a, b, weight=before + walks.WEIGHTS[cat.shown[e.type][0].name])
    return graph


def exact(graph: nx.DiGraph, start: int, damping: float) -> dict[int, float]:
    return _pagerank_python(graph, alpha=damping, personalization={start: 1.0}, tol=1e-14, max_iter=2000)


def random_graph(rng: random.Random, n: int) -> nx.DiGraph:
    """Directed, with weights, loops, some nodes that lead nowhere and some that nothing leads to."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(n))
    for _ in range(rng.randrange(4 * n)):
        graph.add_edge(rng.randrange(n), rng.randrange(n), weight=rng.choice([1.0, 2.0, 4.0, 0.3]))
    graph.remove_edges_from(list(graph.out_edges(rng.randrange(n))))
    return graph


@pytest.mark.parametrize("seed", range(30))
def test_ranks_are_those_of_networkx(seed: int) -> None:
    rng = random.Random(seed)
    graph, damping = random_graph(rng, rng.randrange(2, 60)), rng.choice([0.3, 0.8, 0.95])
    start = rng.randrange(len(graph))
    near = lambda n: {other: facts["weight"] for other, facts in graph[n].items()}
    # networkx sends walks without a way on to the personalization, which is the start here too
    wanted = exact(graph, start, damping)
    ranks, missing = walks.spread(start, near, damping, precision=1e-12, budget=10**7)
    assert missing < 1e-9
    assert all(ranks.get(n, 0.0) == pytest.approx(rank, abs=1e-9) for n, rank in wanted.items())
    # rough ranks are never above the true ones, and together miss what they say they miss
    rough, missing = walks.spread(start, near, damping, precision=1e-2)
    assert all(rough.get(n, 0.0) <= rank + 1e-12 for n, rank in wanted.items())
    assert sum(wanted.values()) - sum(rough.values()) == pytest.approx(missing, abs=1e-9)
    # nor does a walk that is cut off
    cut, missing = walks.spread(start, near, damping, precision=1e-12, budget=7)
    assert all(cut.get(n, 0.0) <= rank + 1e-12 for n, rank in wanted.items())
    assert sum(wanted.values()) - sum(cut.values()) == pytest.approx(missing, abs=1e-9)


@pytest.mark.parametrize("types", [None, {"builds_on", "specializes"}])
@pytest.mark.parametrize("id", ["gpt", "ddim", "hopfield_network"])
def test_related_ranked_has_the_order_of_pagerank(id: str, types: set[str] | None, real: Catalog) -> None:
    names = set(real.shown) if types is None else types | {RELATIONS[t].seen_from_target for t in types}
    graph, start = weighted(real, names), real.ids.index(id)
    wanted = exact(graph, start, walks.DAMPING)
    found = real.related(id, types, ranked=True, limit=8)
    assert [r.score for r in found] == sorted((r.score or 0 for r in found), reverse=True)
    best = sorted((n for n in wanted if n != start), key=lambda n: -wanted[n])
    for r, n in zip(found, best, strict=False):
        assert r.score == pytest.approx(wanted[real.ids.index(r.id)], abs=2e-3)
        assert wanted[real.ids.index(r.id)] == pytest.approx(wanted[n], abs=2e-3)  # near ties may change places
    for r in found:
        assert (r.path[0], r.path[-1], len(r.path) - 1) == (id, r.id, r.distance)
        assert all(any(e.target == b and e.type in names for e in real.edges(a)) for a, b in pairwise(r.path))
        assert r.type in {e.type for e in real.edges(r.path[-2]) if e.target == r.id}


def test_related_ranked_by_depth_direction_and_limit(real: Catalog) -> None:
    assert {r.distance for r in real.related("ddim", ranked=True, limit=40, depth=1)} == {1}
    assert {r.id for r in real.related("ddim", ranked=True, limit=40, depth=1)} == {r.id for r in real.related("ddim")}
    assert max(r.distance for r in real.related("ddim", ranked=True, limit=40)) > 1
    stated = real.related("gpt", "builds_on", "out", ranked=True, limit=40)
    graph = nx.DiGraph((e.id, r.target) for e in real for r in e.relations if r.type == "builds_on")
    assert {r.id for r in stated} == nx.descendants(graph, "gpt")
    assert len(real.related("gpt", ranked=True)) == 10
    assert len(real.related("gpt", limit=3)) == 3
    with pytest.raises(BadQuestion, match="limit 0; it is at least 1"):
        real.related("gpt", ranked=True, limit=0)
    text = str(real.related("ddim", ranked=True, limit=1))
    assert text.startswith("DDIM (ddim): 1 entry\n\n0.")
    assert "reduces to\n  Denoising Diffusion Probabilistic Model (ddpm)\n    At eta = 1" in text


def test_ranking_a_large_graph_is_bounded() -> None:
    rng = random.Random(0)
    asked: list[int] = []

    def near(n: int) -> dict[int, float]:
        """100,000 nodes, one of which everything leads to."""
        asked.append(n)
        local = random.Random(n)
        return {local.randrange(100_000): 1.0 for _ in range(8)} | {0: 4.0} if n else dict.fromkeys(range(9000), 1.0)

    for _ in range(5):
        asked.clear()
        ranks, missing = walks.spread(rng.randrange(1, 100_000), near)
        assert len(asked) == len(set(asked)) < walks.BUDGET
        assert 0 < missing < 1
        assert sum(ranks.values()) + missing == pytest.approx(1)


# -- lineage


def made_from(cat: Catalog) -> nx.DiGraph:
    """From the older to the younger, along what says that one was made from the other."""
    graph, year = nx.DiGraph(), {e.id: e.year for e in cat}
    graph.add_nodes_from(cat.ids)
    for e in cat:
        for r in e.relations:
            backwards = year[r.target] > e.year
            if r.type == "builds_on" or (r.type in ("specializes", "reduces_to", "has_part") and not backwards):
                graph.add_edge(r.target, e.id)
            elif r.type == "specializes":
                graph.add_edge(e.id, r.target)
    return graph


def test_lineage_is_all_that_descent_reaches(real: Catalog) -> None:
    graph = made_from(real)
    for id in real.ids:
        found = real.lineage(id)
        ancestors, descendants = nx.ancestors(graph, id), nx.descendants(graph, id)
        assert {a.id for a in found.ancestors} == ancestors
        assert {d.id for d in found.descendants} == descendants - ancestors
        for side, toward in ((found.ancestors, graph.reverse()), (found.descendants, graph)):
            near = nx.single_source_shortest_path_length(toward, id)
            assert [d.year for d in side] == sorted(d.year for d in side)
            for d in side:
                older, younger = (d.id, d.through) if side is found.ancestors else (d.through, d.id)
                assert graph.has_edge(older, younger)
                assert (d.generation, near[d.through]) == (near[d.id], near[d.id] - 1)
                assert real[older].year <= real[younger].year
                (edge,) = [e for e in real.edges(younger) if e.target == older and e.type == d.type]
                assert (edge.relation.why, edge.proven) == (d.why, d.proven)


def test_lineage_of_famous_entries(real: Catalog) -> None:
    gpt = real.lineage("gpt")
    assert {"transformer", "self_attention", "lstm", "rnn"} <= {a.id for a in gpt.ancestors}
    assert {"rag", "reward_model", "chain_of_thought"} <= {d.id for d in gpt.descendants}
    assert "mamba" not in gpt.ids  # an alternative is no descendant
    assert "gpt" not in real.lineage("vq_vae").ids  # a younger part is no ancestor
    (energy,) = [d for d in real.lineage("hopfield_network").descendants if d.id == "energy_based_model"]
    assert energy.type == "specialized_by"  # named 21 years later, drawn from the special case
    assert {a.id for a in real.lineage("latent_diffusion", depth=1).ancestors} >= {"vae", "ddpm"}
    assert {a.generation for a in real.lineage("latent_diffusion", depth=1).ancestors} == {1}


def test_lineage_of_equally_old_entries_ends(small: Path, folder: Any, make: Make, related: Make) -> None:
    folder.write(
        make("chicken", "flow", year=2000, relations=[related("builds_on", "egg")]),
        make("egg", "flow", year=2000, relations=[related("specializes", "chicken")]),
    )
    found = catalog.load(small).lineage("egg")
    assert ([a.id for a in found.ancestors], found.descendants) == (["chicken"], [])


def test_lineage_prints_and_turns_into_data(real: Catalog, genai: Callable[..., Result]) -> None:
    found = real.lineage("latent_diffusion")
    text = str(found)
    assert text.startswith(f"Latent Diffusion (latent_diffusion), 2022\n\nCame from: {len(found.ancestors)} entries\n")
    assert "  1986    Autoencoder (autoencoder)\n          vae builds on it: Encoder, code and decoder are" in text
    assert "\nCame of it: 1 entry\n  2022  Text-to-Image Generation (text_to_image)" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "Came from: no older entry" in str(real.lineage("autoencoder"))
    assert len(found.to_frame()) == len(found.rows()) == len(found.ancestors) + 1
    assert json.loads(genai("lineage", "latent_diffusion", "--json").stdout) == {
        "schema": 1,
        **json.loads(json.dumps(found.to_dict())),
    }
    assert genai("lineage", "Latent Diffusion").stdout == text + "\n"
    with pytest.raises(BadQuestion, match="depth 0"):
        real.lineage("vae", 0)


# -- learning paths

CORE = {"specializes", "builds_on", "has_part"}


@pytest.mark.parametrize("limit", [1, 3, 8, 20])
def test_learning_paths_have_no_gaps(limit: int, real: Catalog) -> None:
    for target in real.ids:
        path = real.learning_path(target, limit=limit)
        assert path.ids[-1] == target
        assert len(set(path.ids)) == len(path) <= limit + limit // 2 + 1
        place = {id: i for i, id in enumerate(path.ids)}
        left_out = " ".join(path.notes)
        for step in path.steps[:-1]:
            assert place[step.id] < place[step.needed_for]  # what it is needed for comes later
            stated = {(e.target, e.type): e.relation.why for e in real.edges(step.needed_for)}
            assert stated[step.id, step.type] == step.why
        for entry in map(real.get, path.ids):
            alternatives = {e.target for e in real.edges(entry.id) if e.type == "alternative_to"}
            for r in entry.relations:
                if r.type not in CORE:
                    continue
                harder = real[r.target].difficulty > entry.difficulty
                replaced = r.type == "builds_on" and r.target in alternatives
                if entry.id == target and not (harder and r.type == "specializes"):
                    assert r.target in path.ids or r.target in left_out  # all that the target needs directly
                elif (entry.difficulty >= 3 or r.type == "specializes") and not harder and not replaced:
                    assert r.target in path.ids or r.target in left_out
                if r.target in path.ids:
                    assert place[r.target] < place[entry.id]


@pytest.mark.parametrize(
    ("target", "needed", "silly"),
    [
        ("gpt", ["autoregressive_model", "self_attention", "transformer"], ["rag", "mamba", "realnvp"]),
        ("transformer", ["rnn", "seq2seq", "attention_seq2seq", "self_attention"], ["gpt", "bert"]),
        ("ddpm", ["denoising_autoencoder", "score_matching"], ["gan", "pixelcnn", "score_sde"]),
        ("latent_diffusion", ["vae", "ddpm", "classifier_free_guidance"], ["gan", "vq_vae", "flow_matching"]),
        ("rlhf", ["gpt", "instruction_tuning", "policy_gradient_generation", "reward_model"], ["dpo", "grpo", "rnn"]),
        ("dpo", ["gpt", "reward_model", "rlhf"], ["grpo", "rag"]),
        ("vq_vae", ["autoencoder", "autoregressive_model", "gpt"], ["dall_e", "lstm"]),
        ("wgan_gp", ["gan", "wgan"], ["dcgan", "ddpm"]),
        ("rag", ["bert", "reranking", "dense_retrieval", "hybrid_retrieval"], ["question_answering"]),
        ("clip", ["transformer", "dense_retrieval"], ["dall_e", "text_to_image"]),
    ],
)  # fmt: skip
def test_learning_paths_to_famous_entries(target: str, needed: list[str], silly: list[str], real: Catalog) -> None:
    path = real.learning_path(target)
    assert [id for id in path.ids if id in needed] == needed
    assert not set(path.ids) & set(silly)
    assert len(path) <= 11
    assert not path.notes


def test_what_is_known_shortens_a_path_and_never_changes_it(real: Catalog) -> None:
    rng = random.Random(0)
    for target in rng.sample(real.ids, 30):
        whole = real.learning_path(target).ids
        known = rng.sample(whole[:-1], min(2, len(whole) - 1))
        rest = real.learning_path(target, known).ids
        assert set(rest) <= set(whole) - set(known)
        assert rest[-1] == target
        for step in real.learning_path(target, known).steps[:-1]:
            assert step.needed_for in rest
    assert real.learning_path("gpt", "transformer").ids == [
        "autoregressive_model", "subword_tokenization", "rnn", "lstm", "gpt",
    ]  # fmt: skip
    assert real.learning_path("rlhf", ["gpt", "Fine-Tuning"]).ids == [
        "instruction_tuning", "policy_gradient_generation", "reward_model", "rlhf",
    ]  # fmt: skip


def test_notes_of_learning_paths(real: Catalog) -> None:
    assert real.learning_path("gpt", "gan").notes == ["Knowing gan shortens nothing: it is not on the way to gpt."]
    nothing = real.learning_path("gpt", ["GPT"])
    assert (nothing.ids, len(nothing.notes)) == ([], 1)
    assert "is known already; nothing is left to read." in str(nothing)
    (note,) = real.learning_path("rag", limit=3).notes
    assert "Ask with a limit above 3" in note
    for bad in ("gtp", "vea"):
        with pytest.raises(UnknownPattern):
            real.learning_path(bad)
        with pytest.raises(UnknownPattern):
            real.learning_path("gpt", [bad])
    with pytest.raises(BadQuestion, match="limit 0"):
        real.learning_path("gpt", limit=0)


def test_learning_path_prints_and_turns_into_data(real: Catalog, genai: Callable[..., Result]) -> None:
    path = real.learning_path("wgan_gp")
    text = str(path)
    assert text.startswith("What to read up to WGAN with Gradient Penalty (wgan_gp): 3 steps\n\n 1. Generative")
    assert " 2. Wasserstein GAN (wgan), difficulty 4 of 5\n    wgan_gp specializes it: Critic, gap" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "<td>wgan_gp</td>" in path._repr_html_()
    assert list(path.to_frame().id) == path.ids
    shown = genai("learning-path", "wgan_gp", "--known", "gan", "--known", "vae", "--json")
    assert [s["id"] for s in json.loads(shown.stdout)["steps"]] == ["wgan", "wgan_gp"]
    assert "vae shortens nothing" in json.loads(shown.stdout)["notes"][0]
    assert genai("learning-path", "wgan-gp").stdout == text + "\n"
    wrong = genai("learning-path", "wgan_gp", "--known", "gann")
    assert (wrong.exit_code, "did you mean" in wrong.stderr) == (2, True)


def test_a_circle_of_prerequisites_is_entered_at_its_easiest(
    small: Path, folder: Any, make: Make, related: Make
) -> None:
    folder.write(
        make("a", "flow", difficulty=3, relations=[related("builds_on", "b"), related("builds_on", "vae")]),
        make("b", "flow", difficulty=2, relations=[related("has_part", "c")]),
        make("c", "flow", difficulty=2, relations=[related("adapts", "a")]),
    )
    cat = catalog.load(small)
    assert cat.learning_path("a").ids == ["autoencoder", "c", "b", "vae", "a"]
    assert set(cat.learning_path("c").ids) == {"vae", "a", "b", "c"}
    assert cat.learning_path("c").ids[-1] == "c"
    folder.write(
        make("a", "flow", relations=[related("builds_on", "b")]),
        make("d", "flow", difficulty=3, relations=[related("builds_on", "c")]),
    )
    path = catalog.load(small).learning_path("d")  # c needs a, a needs b, b needs c
    assert [(s.id, s.needed_for) for s in path] == [("a", "c"), ("c", "d"), ("b", "a"), ("d", None)]


def test_parts_beyond_number_are_named_in_part(small: Path, folder: Any, make: Make, related: Make) -> None:
    parts = [f"part_{chr(97 + i)}" for i in range(26)]
    folder.write(*(make(id, "flow") for id in parts))
    folder.write(make("whole", "flow", relations=[related("has_part", id) for id in parts]))
    path = catalog.load(small).learning_path("whole")
    assert path.ids == [*parts[:12], "whole"]
    assert path.notes == [
        f"Left out, to keep this short: {', '.join(parts[12:20])} and 6 more. Ask with a limit above 8 for more."
    ]


# -- alternatives


def test_alternatives_are_all_that_the_catalog_knows(real: Catalog) -> None:
    for e in real:
        found = real.alternatives(e.id)
        by_relation = {x.target for x in real.edges(e.id) if x.type in ("alternative_to", "equivalent_to")}
        by_decision = {
            o.pattern for d in real.decisions if any(o.pattern == e.id for o in d.options) for o in d.options
        } - {e.id}
        basis = {a.id: a.basis for a in found}
        assert {id for id, b in basis.items() if b in ("alternative_to", "equivalent_to")} == by_relation
        assert {id for id, b in basis.items() if b == "decision"} == by_decision - by_relation
        by_remedy = {x.target for x in real.edges(e.id) if x.type == "remedied_by"}
        assert {id for id, b in basis.items() if b == "remedied_by"} == by_remedy - by_relation - by_decision
        assert len(basis) == len(found)
        assert found.others == 0
        joined = nx.Graph(made_from(real)).adj[e.id]
        for a in (a for a in found if a.basis == "sibling"):
            other = real[a.id]
            assert (other.family, a.id in joined) == (e.family, False)
            assert all(
                any(r.target == a.through and r.type in ("specializes", "builds_on") for r in x.relations)
                for x in (e, other)
            )
        assert sum(a.basis == "sibling" for a in found) <= 10
        for a in found:
            mine, its = e.facets.model_dump(), real[a.id].facets.model_dump()
            flat = lambda v: {str(x).lower() for x in (v if isinstance(v, list) else [v])}
            assert set(a.differs) == {f for f in mine if f not in ("nfe", "cost") and flat(mine[f]) != flat(its[f])}


def test_alternatives_by_facets(real: Catalog, genai: Callable[..., Result]) -> None:
    exact = real.alternatives("vae", likelihood="exact")
    assert {"realnvp", "normalizing_flow", "autoregressive_model"} <= set(exact.ids)
    assert all(real[id].facets.likelihood == "exact" for id in exact.ids)
    assert exact.others == len(real.alternatives("vae")) - len(exact)
    young = real.alternatives("vae", "year>=2015", data=["text", "image"], sampling="!sequential")
    assert young.ids
    for id in young.ids:
        entry = real[id]
        assert entry.year >= 2015
        assert set(entry.facets.data) & {"text", "image"}
        assert entry.facets.sampling != "sequential"
    with pytest.raises(BadQuestion, match="did you mean 'likelihood'"):
        real.alternatives("vae", likelyhood="exact")
    with pytest.raises(BadQuestion, match="exact"):
        real.alternatives("vae", likelihood="exactly")
    with pytest.raises(UnknownPattern):
        real.alternatives("vea")
    result = genai("alternatives", "vae", "likelihood=exact", "--json")
    assert [a["id"] for a in json.loads(result.stdout)["alternatives"]] == exact.ids
    assert genai("alternatives", "vae", "likelihood=exact").stdout == f"{exact}\n"
    result = genai("alternatives", "vae", "year<1950")
    assert (result.exit_code, result.stdout) == (2, "")
    result = genai("alternatives", "vae", "year<=1950")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "with year<=1950: nothing" in result.stderr
    assert genai("alternatives", "vae", "likelihood=exactly").exit_code == 2


def test_alternatives_print_why_and_what_differs(real: Catalog) -> None:
    found = real.alternatives("vae")
    assert found.to_frame().set_index("id").differs["realnvp"].startswith("likelihood exact, not bound; latent ")
    text = str(found)
    assert "\nalternative to\n" in text
    assert "\nalso answers: Draw a sample in one to four passes of a network\n  Consistency Model" in text
    assert "\nalso builds on autoencoder\n" in text
    assert "    Differs: likelihood implicit, not bound; data not binary; training adversarial, not bound.\n" in text
    assert all(len(line) <= 100 for line in text.splitlines())


# -- explanations


def test_explain_has_direct_relations_with_measured_claims(real: Catalog, genai: Callable[..., Result]) -> None:
    found = real.explain("ddpm", "ddim")
    assert [(r.source, r.type, r.target) for r in found.relations] == [
        ("ddim", "reduces_to", "ddpm"), ("ddim", "accelerates", "ddpm"),
    ]  # fmt: skip
    assert [p.claim for p in found.proofs] == ["ddim.all_steps_with_noise_are_ddpm"]
    assert "≤ 0.0001" in (found.proofs[0].measured or "")
    assert found.route is None
    assert "Measured: images" in str(found)
    shown = json.loads(genai("explain", "ddpm", "ddim", "--json").stdout)
    assert shown == {"schema": 1, **json.loads(json.dumps(found.to_dict()))}
    assert genai("explain", "ddpm", "ddim").stdout == f"{found}\n"
    swapped = real.explain("ddim", "ddpm")
    assert swapped.relations == found.relations
    assert swapped.differs == {name: (b, a) for name, (a, b) in found.differs.items()}


def test_explain_joins_any_two(real: Catalog) -> None:
    rng, graph = random.Random(1), nx.Graph(real.graph)
    descent = made_from(real)
    for a, b in (rng.sample(real.ids, 2) for _ in range(60)):
        found = real.explain(a, b)
        assert {(r.source, r.type, r.target) for r in found.relations} == {
            (s, r.type, t)
            for s, t in ((a, b), (b, a))
            for r in real[s].relations
            if r.target == t and not (real.relations[r.type].symmetric)
        } | {(a, e.type, b) for e in real.edges(a) if e.target == b and real.relations.get(e.type) in SYMMETRIC}
        if not found.relations:
            assert found.route is not None
            assert len(found.route) == nx.shortest_path_length(graph, a, b)
        if found.descent:
            assert all(descent.has_edge(old, young) for young, old in pairwise(found.descent))
            assert {found.descent[0], found.descent[-1]} == {a, b}
        older = [nx.ancestors(descent, id) for id in (a, b)]
        nearest = {c for c in older[0] & older[1] if not nx.descendants(descent, c) & older[0] & older[1]}
        listed = {c.id for c in found.common if c.type == "descends_from"}
        if a in older[1] or b in older[0]:
            assert (bool(found.descent), listed) == (True, set())
        else:
            assert listed == nearest - {c.id for c in found.common if c.type != "descends_from"}
        for c in found.common:
            if c.type == "descends_from":
                assert {a, b} <= nx.descendants(descent, c.id)
            else:
                assert all(any((e.type, e.target) == (c.type, c.id) for e in real.edges(id)) for id in (a, b))
        both = [d for d in real.decisions if {a, b} <= {o.pattern for o in d.options}]
        assert [d.id for d in found.decisions] == [d.id for d in both]
        assert all(len(line) <= 100 for line in str(found).splitlines())
        assert all(isinstance(row["says"], str) for row in found.rows())


SYMMETRIC = [kind for kind in RELATIONS.values() if kind.symmetric]


def test_explain_says_what_cannot_be_asked(real: Catalog, small: Path, folder: Any, make: Make) -> None:
    with pytest.raises(BadQuestion, match="'vae' and 'VAEs' are the same entry, vae; name two"):
        real.explain("vae", "VAEs")
    with pytest.raises(UnknownPattern):
        real.explain("vae", "gann")
    folder.write(make("alone", "flow"))
    found = catalog.load(small).explain("alone", "vae")
    assert (found.relations, found.route) == ([], None)
    assert "No relation joins them directly." in str(found)


# -- catalogs of another field


def test_walks_in_a_catalog_with_words_of_its_own(genai: Callable[..., Result], tmp_path: Path) -> None:
    assert genai("init", str(tmp_path / "knots")).exit_code == 0
    cat = catalog.load(tmp_path / "knots")
    for id in cat.ids:
        for answer in (cat.lineage(id), cat.learning_path(id), cat.alternatives(id), cat.related(id, ranked=True)):
            assert str(answer)
            json.dumps(answer.to_dict())
        for other in set(cat.ids) - {id}:
            json.dumps(cat.explain(id, other).to_dict())
    # `secures` is the only acyclic type there, and carries descent and what to know first
    assert [a.id for a in cat.lineage("double_sheet_bend").ancestors] == ["sheet_bend"]
    assert cat.learning_path("double_sheet_bend").ids == ["sheet_bend", "double_sheet_bend"]
    assert cat.lineage("sheet_bend").descendants[0].year is None
    with pytest.raises(BadQuestion, match="likelihood"):
        cat.alternatives("sheet_bend", likelihood="exact")
