"""CLIP's losses are those of the transformers library: its CLIP model's, and its SigLIP model's."""

import torch
import torch.nn.functional as F

from reference_impl.core import seed_all
from reference_impl.multimodal.clip import CLIP, contrast, each_pair

WORDS = ("a", "blue", "red", "ring", "square")
TEXTS = ["a red ring", "a blue square", "a red square", "red", "a ring a square"]
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXT = {**TOWER, "vocab_size": 40, "max_position_embeddings": 8}
VISION = {**TOWER, "image_size": 16, "patch_size": 8}


def inputs():
    """Four texts and pictures; their tokens end with the largest id, as theirs do."""
    seed_all("clip")
    ids = torch.randint(3, 39, (4, 8))
    ids[:, -1] = 39
    return {"input_ids": ids, "pixel_values": torch.randn(4, 3, 16, 16).double()}


@torch.no_grad()
def test_the_loss_is_their_clips():
    from transformers import CLIPConfig, CLIPModel

    given = inputs()
    theirs = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=8)).double().eval()
    want = theirs(**given, return_loss=True)
    assert want.logits_per_image.std() > 0.01
    assert abs(contrast(want.logits_per_image) - want.loss) < 1e-5

    # with the vectors of their towers, the scores are theirs as well
    model = CLIP(CLIP.Config(words=WORDS)).double()
    model.scale.copy_(theirs.logit_scale)
    model.look, model.read = lambda y: F.normalize(y, dim=1), lambda texts: F.normalize(texts, dim=1)
    scores = model.scores(3 * want.image_embeds, 2 * want.text_embeds)
    assert (scores - want.logits_per_image).abs().max() < 1e-5


@torch.no_grad()
def test_the_sigmoid_loss_is_their_siglips():
    from transformers import SiglipConfig, SiglipModel

    theirs = SiglipModel(SiglipConfig(text_config=TEXT, vision_config=VISION)).double().eval()
    want = theirs(**inputs(), return_loss=True)
    assert want.logits_per_image.std() > 0.01
    assert abs(each_pair(want.logits_per_text) - want.loss) < 1e-5


@torch.no_grad()
def test_a_text_is_what_its_words_say_whatever_is_beside_it():
    seed_all("padding")
    model = CLIP(CLIP.Config(words=WORDS, layers=2)).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    together = model.read(TEXTS)
    alone = torch.cat([model.read([text]) for text in TEXTS])
    assert (together - alone).abs().max() < 1e-10
    assert together.norm(dim=1).sub(1).abs().max() < 1e-10
    assert (together[1:] - together[:-1]).abs().max() > 0.01
