"""Byte-pair encoding learned here is the one that the tokenizers library learns from the same text."""

import json

from reference_impl.core import run
from reference_impl.tasks.prose import Prose
from reference_impl.transformer.subword_tokenization import ORDER, SubwordTokenization, printed


def test_joins_and_ids_equal_those_of_the_library():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    texts = Prose().splits["train"][0][:300]
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    theirs.train_from_iterator(texts, trainer)

    task = Prose()
    task.splits["train"] = (texts, None)
    ours = run(SubwordTokenization, {"tokens": 700}, task=task, evaluate=False).model
    names = [printed(byte) for byte in ORDER]
    for a, b in ours.merges.tolist():
        names.append(names[a] + names[b])
    learned = json.loads(theirs.to_str())["model"]["merges"]
    assert learned == [[names[a], names[b]] for a, b in ours.merges.tolist()]
    for text in [*texts[:20], "¾ of Ⅻ: don't_stop…\t\n  naïve 日本 😀 "]:
        ids = ours.tokenize(text)
        assert ids == theirs.encode(text).ids
        assert ours.spell(ids) == text
    lines = [" ".join(pair) for pair in learned]
    assert SubwordTokenization.of_lines(lines).tokenize(texts[0]) == ours.tokenize(texts[0])
