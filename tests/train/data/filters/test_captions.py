"""Captions by a local model, BLIP or BLIP-2 as users have them, and their agreement by a CLIP."""

import json
from pathlib import Path

import pytest
import torch
from pieces import piece, scene

from train.data.filters import captions, chain
from train.data.filters.base import FilterConfig
from train.engine.stop import ModelError

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["a", "cat", "dog", "box", "runs"]
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


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
    step = captions.captions(FilterConfig(models=str(folder.parent)))
    verdict = step.judge(piece(scene(20, 20)))
    assert set(verdict.changes["caption"].split()) <= set(WORDS) and verdict.changes["caption"]
    assert verdict.changes["caption_by"] == "model"
    assert step.judge(piece(scene(20, 20))).changes == verdict.changes, (
        "the same picture, the same words"
    )
    assert step.judge(piece(scene(20, 20), caption="a fox", caption_by="given")).changes == {}


def test_the_words_of_a_file_name_stay_only_without_a_caption_model(blip, tmp_path):
    named = {"caption": "ep 01", "caption_by": "name"}
    rest = {"text": 0.0, "shots": "none", "sketch": "none", "agreement": 0.0}
    for folder, by, switch in (
        (blip.parent, "model", True),
        (blip.parent, "name", False),
        (tmp_path, "name", True),
    ):
        steps = chain.build(FilterConfig(models=str(folder), captions=switch, **rest))
        [(kept, reason)] = steps.run(piece(scene(20, 20), **named), 16)
        assert not reason and kept.caption_by == by
        assert (kept.caption == "ep 01") == (by == "name")


def test_a_folder_that_holds_no_model_is_named(tmp_path):
    for name in ("caption", "clip"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    config = FilterConfig(models=str(tmp_path))
    with pytest.raises(ModelError, match="no image-to-text model"):
        captions.captions(config).judge(piece(scene(20, 16)))
    with pytest.raises(ModelError, match="no CLIP"):
        captions.agreement(config).judge(piece(scene(20, 16), caption="x"))


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A tiny random CLIP of transformers."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = [
        *letters,
        "ca",
        *(f"{c}</w>" for c in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\nc a\n")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = CLIPConfig(
        text_config={
            **small, "num_attention_heads": 2, "vocab_size": len(vocabulary),
            "eos_token_id": len(vocabulary) - 1,
        },
        vision_config={**small, "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(folder)
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory):
    """A tiny random CLIP of open_clip."""
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("models") / "clip"
    folder.mkdir()
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 8}
    words = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
    shape = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": words}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    config = {"model_cfg": shape, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    state = open_clip.model.CLIP(**shape).state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@pytest.mark.parametrize("kind", ["clip_folder", "open_clip_folder"])
def test_agreement_is_the_cosine_of_a_local_clip(kind, request):
    folder = request.getfixturevalue(kind)
    clip = piece(scene(20, 16), caption="a cat")
    step = captions.agreement(FilterConfig(clip_model=str(folder), agreement=-1.0))
    verdict = step.judge(clip)
    cosine = verdict.scores["agreement"]
    assert not verdict.reason and -1 <= cosine <= 1
    embed = captions.load_clip(folder, "cpu")
    pictures_, words = embed(clip.sample(3), "a cat")
    expected = torch.nn.functional.cosine_similarity(pictures_, words).mean()
    assert cosine == pytest.approx(float(expected), abs=1e-4)
    strict = captions.agreement(FilterConfig(clip_model=str(folder), agreement=0.999))
    assert strict.judge(clip).reason.startswith("its caption does not fit")
    assert strict.judge(piece(scene(20, 16))).scores == {}, "without a caption nothing is asked"
    named = piece(scene(20, 16), caption="ep 01", caption_by="name")
    assert strict.judge(named).scores == {}, "nor of the words of a file's name"
