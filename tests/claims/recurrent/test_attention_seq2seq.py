"""Claims of attention in encoder-decoders."""

import random
from functools import cache

import torch
from matplotlib.patches import Rectangle

from reference_impl.blocks_writing import END, PAD
from reference_impl.core import run
from reference_impl.figures import PALETTE, figure
from reference_impl.recurrent.attention_seq2seq import AttentionSeq2Seq
from reference_impl.recurrent.seq2seq import Seq2Seq
from reference_impl.tasks import make
from reference_impl.tasks.ciphers import Ciphers
from reference_impl.tasks.sentences import encoded, spelled
from reference_impl.tasks.translation import NOUN_FORMS, OBJECT, SUBJECT, VERB_FORMS, sentence, translated


@cache
@torch.enable_grad()
def translating():
    """The model as it comes, after its default run on the pair of languages."""
    return run(AttentionSeq2Seq, task=make("translation"), evaluate=False).model


@torch.no_grad()
def looks(model, x, y):
    """Weights with which the model writes the targets x (B, T+1) of y (B, S): (B, T, S)."""
    seen = []
    watch = model.softmax.register_forward_hook(lambda *args: seen.append(args[-1]))
    model.write(x[:, :-1], model.read(y))
    watch.remove()
    return torch.stack(seen, 1)


def sentences(n=200):
    """Held-out sentences: targets, sources, and as rows (sentence, place in the target, place in the source) which word
    renders which; particles render none."""
    task = make("translation")
    x, y = (side[:n] for side in task.splits["test"])
    rendered = []
    for row, source in enumerate(spelled(y, task.facts)):
        target, at = translated(source)
        rendered += [(row, t, at[t]) for t, word in enumerate(target.split()) if word not in (SUBJECT, OBJECT)]
    return x, y, torch.tensor(rendered).T


def test_the_learned_alignment_is_the_true_one(claim):
    x, y, (row, t, s) = sentences()
    found = looks(translating(), x, y)[row, t].argmax(-1)
    uniform = (1 / (y != PAD).sum(1)[row]).mean().item()
    claim.measure("words", (found == s).float().mean().item(), baseline=uniform)

    facts = make("translation").facts
    source = "the old dogs near one tree helped two quiet kings today"
    x = translating().sample(1, encoded(source, facts))
    words, sources = [*spelled(x, facts)[0].split(), "END"], [*source.split(), "END"]
    a = looks(translating(), x, encoded(source, facts))[0, : len(words), : len(sources)]
    fig, ax = figure(5.0, 5.0)
    ax.imshow(a.numpy(), vmin=0, vmax=1)
    for row, (word, at) in enumerate(zip(words, translated(source)[1], strict=False)):
        if word not in (SUBJECT, OBJECT):
            ax.add_patch(Rectangle((at - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=PALETTE[1], linewidth=1.4))
    ax.set_xticks(range(len(sources)), sources, rotation=60, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(words)), words)
    ax.tick_params(length=0)
    claim.figure(
        "hero",
        fig,
        caption="Where the decoder looks, dark for much weight, when it writes the word at the left. Framed is the "
        "true alignment, which training never saw. Noun phrases are read backward, the verb is fetched last. For the "
        "particles `ga` and `wo`, which render no word, it looks at where the phrase began.",
        alt="Matrix of attention weights between the words of a sentence and its translation, with the true alignment.",
    )


def test_attention_keeps_long_sources(claim):
    # strings of up to 24 symbols and their mirrored ciphers; both models read forward
    task = Ciphers(mirrored=True, symbols=10)
    x, y = task.pairs(torch.full((200,), 24), torch.Generator().manual_seed(24))
    looking = run(AttentionSeq2Seq, {"steps": 400}, task=task, evaluate=False).model
    plain = run(Seq2Seq, {"reverse_source": False, "steps": 400}, task=task, evaluate=False).model
    exact = [(m.sample(len(x), y, x.shape[1]) == x).all(1).float().mean().item() for m in (looking, plain)]
    claim.measure("exact", exact[0], baseline=exact[1])

    fig, axes = figure(6.4, 3.0, columns=3)
    for ax, length in zip(axes, (6, 12, 24), strict=True):
        x, y = task.pairs(torch.tensor([length]), torch.Generator().manual_seed(1))
        ax.imshow(looks(looking, x, y)[0, :length, :length].numpy(), vmin=0, vmax=1)
        ax.set(title=f"{length} symbols", xlabel="read", xticks=(0, length - 1), yticks=(0, length - 1))
        ax.set_xticklabels((1, length))
        ax.set_yticklabels((1, length))
    axes[0].set_ylabel("written")
    claim.figure(
        "lengths",
        fig,
        caption="Attention of one model on strings of 6, 12 and 24 symbols, which are to be written from their end: "
        "the same walk at every length, so accuracy does not fall. Weight also goes to neighbors, whose annotations, "
        "made by reading past them, know the symbol too.",
        alt="Three matrices of attention weights with an antidiagonal two or three symbols wide at every length.",
    )


def test_attention_is_not_influence(claim):
    facts, rng = make("translation").facts, random.Random(1)
    other = {**dict(zip(*NOUN_FORMS.values(), strict=True)), **dict(zip(*reversed(NOUN_FORMS.values()), strict=True))}
    before, after, nouns, verbs = [], [], [], []
    while len(before) < 200:
        words = sentence(rng).split()
        verb = next(i for i, w in enumerate(words) if w in VERB_FORMS[True] or w in VERB_FORMS[False])
        # after `the` the noun alone tells the number, and in the past the verb does not
        if words[0] == "the" and words[verb].endswith("ed"):
            noun = next(i for i, w in enumerate(words) if w in other)
            before.append(encoded(" ".join(words), facts))
            after.append(encoded(" ".join([*words[:noun], other[words[noun]], *words[noun + 1 :]]), facts))
            nouns.append(noun)
            verbs.append(verb)
    y = torch.cat(before)
    x, changed = translating().sample(len(y), y), translating().sample(len(y), torch.cat(after))
    # the verb is the last word
    step, row = (x == END).int().argmax(1) - 1, torch.arange(len(x))
    weights = looks(translating(), x, y)[row, step - 1]
    claim.measure(
        "noun",
        weights[row, torch.tensor(nouns)].mean().item(),
        baseline=weights[row, torch.tensor(verbs)].mean().item(),
    )
    claim.measure("changes", (x[row, step] != changed[row, step]).float().mean().item())


@torch.no_grad()
def test_no_context_is_seq2seq(claim):
    x, y = make("translation").batch("test", 0, 8)
    difference = 0.0
    for reverse in (True, False):
        cfg = {"vocab": make("translation").facts["vocab"], "channels": 16, "reverse_source": reverse}
        model = AttentionSeq2Seq(AttentionSeq2Seq.Config(**cfg)).double()
        plain = Seq2Seq(Seq2Seq.Config(**cfg)).double()
        assert not plain.load_state_dict(model.state_dict(), strict=False).missing_keys
        attended, _ = model.write(x[:, :-1], model.read(y))
        model.context.weight.zero_()
        model.output.weight.zero_()
        logits, _ = model.write(x[:, :-1], model.read(y))
        want, _ = plain.write(x[:, :-1], plain.read(y))
        assert (attended - want).abs().max() > 1e-3, "attention does something until its weights are zero"
        difference = max(difference, (logits - want).abs().max().item())
    claim.measure("difference", difference)
