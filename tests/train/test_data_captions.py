"""Captions: by a local model for what came without one; BLIP and BLIP-2 as users have them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from train.data.filters import captions, chain
from train.data.filters.base import FilterConfig, Piece

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "cat", "dog", "box", "runs"]
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


def piece(**rest) -> Piece:
    """A bright bar that crosses stripes."""
    frames = np.zeros((20, 54, 96, 4), np.uint8)
    frames[..., 3] = 255
    frames[:, :, ::7, :2] = 120
    for number, frame in enumerate(frames):
        frame[10:40, 3 * number : 3 * number + 12, :3] = (255, 200, 0)
    return Piece(frames, 24.0, False, **rest)


@pytest.fixture(scope="module")
def blip(tmp_path_factory) -> Path:
    """A tiny random BLIP as `save_pretrained` writes it; its tokenizer knows no start token."""
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("models") / "caption"
    folder.mkdir()
    vocabulary = [*MARKS, *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    processor = BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    config = BlipConfig(
        text_config={
            **SMALL, "projection_dim": 16, "vocab_size": len(vocabulary) + 1,
            "encoder_hidden_size": 16, "bos_token_id": len(vocabulary), "sep_token_id": 3,
            "eos_token_id": 3, "pad_token_id": 0,
        },
        vision_config={**SMALL, "projection_dim": 16, "image_size": 32, "patch_size": 8},
        projection_dim=16, image_text_hidden_size=16,
    )  # fmt: skip
    torch.manual_seed(3)
    model = BlipForConditionalGeneration(config)
    model.text_decoder.cls.predictions.bias.data[vocabulary.index("cat")] = 50.0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def blip2(tmp_path_factory) -> Path:
    """A tiny random BLIP-2 with an OPT, whose processor puts image tokens before the text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
        PreTrainedTokenizerFast,
    )

    folder = tmp_path_factory.mktemp("models") / "caption"
    marks = ["<unk>", "<pad>", "</s>", "<image>"]
    numbers = {word: number for number, word in enumerate([*marks, *WORDS])}
    words = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "</s>", "eos_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **names)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    config = Blip2Config(
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        qformer_config={**SMALL, "encoder_hidden_size": 16, "vocab_size": len(numbers)},
        text_config={
            **SMALL, "model_type": "opt", "ffn_dim": 16, "word_embed_proj_dim": 16,
            "max_position_embeddings": 64, "vocab_size": len(numbers), "bos_token_id": 2,
            "eos_token_id": 2, "pad_token_id": 1,
        },
        num_query_tokens=4, image_token_index=3,
    )  # fmt: skip
    torch.manual_seed(3)
    model = Blip2ForConditionalGeneration(config)
    decoder = model.language_model.model.decoder
    decoder.final_layer_norm.bias.data = 1e4 * decoder.embed_tokens.weight.data[numbers["cat"]]
    model.save_pretrained(folder)
    Blip2Processor(images, tokenizer, num_query_tokens=4).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["blip", "blip2"])
def test_captions_come_from_a_local_model_and_given_ones_are_kept(kind, request):
    folder = request.getfixturevalue(kind)
    step = captions.build(FilterConfig(models=str(folder.parent)))
    verdict = step(piece())
    assert set(verdict.changes["caption"].split()) <= set(WORDS) and verdict.changes["caption"]
    assert verdict.changes["caption_by"] == "model"
    assert step(piece()).changes == verdict.changes, "the same picture, the same words"
    assert step(piece(caption="a fox", caption_by="given")).changes == {}


def test_the_words_of_a_file_name_stay_only_without_a_caption_model(blip, tmp_path):
    named = {"caption": "ep 01", "caption_by": "name"}
    rest = {"text": 0.0, "shots": "none", "sketch": "none", "agreement": 0.0}
    for folder, by, switch in (
        (blip.parent, "model", True),
        (blip.parent, "name", False),
        (tmp_path, "name", True),
    ):
        steps = chain.build(FilterConfig(models=str(folder), captions=switch, **rest))
        [(kept, reason)] = steps.run(piece(**named), 16)
        assert not reason and kept.caption_by == by
        assert (kept.caption == "ep 01") == (by == "name")
