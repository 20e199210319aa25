"""Claims of molecule generation. RDKit judges here and is used nowhere else."""

import math
import random
from functools import cache

import torch

from reference_impl.application.molecule_generation import MoleculeGenerator, Partial, permitted
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.figures_molecules import draw_molecule
from reference_impl.tasks import make
from reference_impl.tasks.molecules import SIGN, canonical, heteroatoms, molecules, parse, spelled

SEEDS = range(3)
TASK = cache(lambda: make("molecules"))
EVERY = cache(lambda: sum(len(molecules(size)) for size in range(1, 8)))


@cache
def trained(seed: int) -> MoleculeGenerator:
    """The default model; the claims share its runs."""
    return run(MoleculeGenerator, task=TASK(), seed=seed, evaluate=False).model


def rdkit_form(smiles: str) -> str | None:
    """RDKit's canonical string; None where it finds no molecule."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    found = Chem.MolFromSmiles(smiles) if smiles else None
    return None if found is None else Chem.MolToSmiles(found)


def decodable(atoms: int, symbols: tuple[str, ...]) -> list[str]:
    """Every string of up to so many atoms that constrained decoding lets through."""
    todo, done, left = [(Partial(), "", 0)], [], 3 * atoms
    while todo:
        partial, text, used = todo.pop()
        end, *allowed = permitted(partial, left - len(text), symbols)
        done += [text] if end else []
        for symbol, ok in zip(symbols, allowed, strict=True):
            count = used + symbol.isalpha()
            if ok and count <= atoms:
                todo.append((partial.then(symbol), text + symbol, count))
    return done


def rewritten(smiles: str, rng: random.Random) -> str:
    """The same molecule from a random first atom with its branches in random order."""
    m = parse(smiles)
    near = m.neighbors()

    def write(atom: int, came_from: int) -> str:
        parts = [SIGN[order] + write(b, atom) for b, order in rng.sample(near[atom], len(near[atom])) if b != came_from]
        return m.atoms[atom] + "".join(f"({s})" for s in parts[:-1]) + "".join(parts[-1:])

    return write(rng.randrange(len(m.atoms)), -1)


def drawn(model: MoleculeGenerator, n: int, **kw) -> list[str]:
    """n strings of a model."""
    return spelled(model.sample(n, **kw), TASK().symbols)


def test_every_alkane_up_to_decane_is_within_reach(claim):
    strings = decodable(10, ("C", "(", ")"))
    forms = {s: rdkit_form(s) for s in strings}
    claim.measure("invalid", sum(f is None for f in forms.values()))
    isomers = {n: sorted({forms[s] for s in strings if s.count("C") == n}) for n in (8, 9, 10)}
    for n, name in ((8, "octanes"), (9, "nonanes"), (10, "decanes")):
        claim.measure(name, len(isomers[n]))

    fig, axes = figure(6.6, 3.3, 3, 6)
    for ax, smiles in zip(axes.flat, isomers[8], strict=True):
        draw_molecule(ax, smiles)
    claim.figure(
        "octanes",
        fig,
        caption="All 18 octanes, as found by walking through every string of eight carbons that decoding allows; "
        "hydrogen is not drawn, and a carbon sits wherever lines end or meet.",
        alt="Line drawings of eighteen branched and unbranched chains of eight carbon atoms.",
    )


def test_decoding_allows_the_small_molecules_and_nothing_else(claim):
    strings = decodable(4, ("#", "(", ")", "=", "C", "N", "O"))
    forms = [rdkit_form(s) for s in strings]
    claim.measure("invalid", sum(f is None for f in forms))
    every = {rdkit_form(s) for size in range(1, 5) for s in molecules(size)}
    claim.measure("molecules", len(set(forms)), baseline=len(every))
    claim.measure("different_sets", len(set(forms) ^ every))


def test_canonical_strings_agree_with_rdkit(claim):
    rng = random.Random(0)
    some = rng.sample(molecules(7), 600) + molecules(4)
    pairs = [(canonical(parse(w)), rdkit_form(w)) for s in some for w in (s, rewritten(s, rng), rewritten(s, rng))]
    ours, theirs = {a for a, _ in pairs}, {b for _, b in pairs}
    # one to one: as many pairs as there are strings on either side
    claim.measure("disagreements", 2 * len(set(pairs)) - len(ours) - len(theirs))


def test_rules_of_valence_make_every_string_a_molecule(claim):
    share = {True: [], False: []}
    novel, different, examples = [], [], []
    for seed in SEEDS:
        for constrained in (True, False):
            strings = drawn(trained(seed), 2000, constrained=constrained)
            forms = [f for f in map(rdkit_form, strings) if f is not None]
            share[constrained].append(len(forms) / len(strings))
            if constrained:
                found = [canonical(parse(s)) for s in strings]
                novel.append(sum(s not in TASK().known for s in found) / len(found))
                different.append(len(set(forms)) / len(forms))
                examples = found
    claim.measure("valid", share[True], baseline=share[False])
    claim.measure("novel", novel)
    claim.measure("different", different)
    raw = run(MoleculeGenerator, {"steps": 0}, task=TASK(), evaluate=False).model
    untrained = [
        sum(rdkit_form(s) is not None for s in drawn(raw, 1000, constrained=rule)) / 1000 for rule in (True, False)
    ]
    claim.measure("valid_untrained", untrained[0], baseline=untrained[1])

    shown = list(dict.fromkeys(s for s in examples if s not in TASK().known and len(parse(s).atoms) == 7))[:24]
    fig, axes = figure(6.6, 4.4, 4, 6)
    for ax, smiles in zip(axes.flat, shown, strict=True):
        draw_molecule(ax, smiles)
    claim.figure(
        "hero",
        fig,
        caption="Molecules that the model wrote and had never seen, and the strings that it wrote them as. Carbon sits "
        "where lines end or meet, hydrogen fills up what is left of each atom's valence.",
        alt="Twenty-four line drawings of small branched molecules with nitrogen and oxygen, each under its string.",
    )


def test_wishes_for_heteroatoms_are_met(claim):
    wishes = list(range(7))
    counts = [[heteroatoms(drawn(trained(seed), 400, y=torch.full((400,), wish))) for wish in wishes] for seed in SEEDS]
    free = [heteroatoms(drawn(trained(seed), 1000)) for seed in SEEDS]
    error = [max(abs(c.mean().item() - w) for w, c in zip(wishes, of, strict=True)) for of in counts]
    claim.measure("error", error, baseline=[max(abs(c.mean().item() - w) for w in wishes) for c in free])
    hit = [torch.stack([(c == w).float().mean() for w, c in zip(wishes, of, strict=True)]).mean() for of in counts]
    claim.measure("exact", [h.item() for h in hit])

    fig, ax = figure(6.2, 2.9)
    places = list(range(9))

    def shares(c: torch.Tensor) -> list[float]:
        return (torch.bincount(c.long(), minlength=9)[:9] / len(c)).tolist()

    ax.bar(places, shares(free[0]), 0.9, color=PALETTE[8], alpha=0.35)
    for wish, color in ((1, PALETTE[0]), (3, PALETTE[2]), (6, PALETTE[3])):
        ax.plot(places, shares(counts[0][wish]), "o-", color=color, label=f"wish: {wish}")
    ax.plot([], [], color=PALETTE[8], alpha=0.35, linewidth=8, label="no wish")
    ax.set(xlabel="atoms that are not carbon", ylabel="share of molecules", xticks=places, ylim=(0, 1.05))
    ax.legend(loc="upper right")
    claim.figure(
        "steering",
        fig,
        caption="Nitrogen and oxygen atoms in 400 molecules for each of three wishes, and in 1,000 without a wish "
        "(gray bars). The network is the same; only the token before the first atom differs.",
        alt="Three narrow peaks at one, three and six heteroatoms over a broad gray distribution around four.",
    )


def test_held_out_molecules_are_as_likely_as_chance_allows(claim):
    best = math.log(EVERY())
    held_out = TASK().splits["test"][0]
    models = [trained(seed) for seed in SEEDS]
    with torch.no_grad():
        claim.measure("gap", [-model.log_prob(held_out).mean().item() - best for model in models])
    # chance among strings of the same length under letter frequencies, with the end as a letter
    ids = TASK().splits["train"][0][:, 1:]
    ended = torch.cat([torch.ones_like(ids[:, :1]), ids[:, :-1]], 1) > 0
    frequency = torch.bincount(ids[ended]) / ended.sum()
    ids = held_out[:, 1:]
    ended = torch.cat([torch.ones_like(ids[:, :1]), ids[:, :-1]], 1) > 0
    letters = -(frequency.log()[ids] * ended).sum(1).mean().item() - best
    claim.measure("gap_of_letters", letters)
