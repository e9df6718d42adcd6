"""Tiny models of transformers with random weights, saved to folders as their users save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

CONTEXT = 16
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # the order of RoBERTa: <pad> is 1, </s> is 2
TEXT: dict[str, Any] = {
    "vocab_size": len(SPECIAL) + 2 * len(LETTERS),
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "projection_dim": 16,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": 16,
}
CUT: dict[str, Any] = {
    "size": {"shortest_edge": 37},
    "crop_size": {"height": 32, "width": 32},
}
SQUASHED: dict[str, Any] = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
CHAT = """{% for message in messages %}{{ message.role }} {% for part in message.content -%}
{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>
{%- else %}{{ part.text }}{% endif %}{% endfor %} end {% endfor %}"""

# type of the model -> its classes before Model, Config and Processor, its tower of captions, and
# how its pictures are resized
TWO_TOWERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "clip": ("CLIP", TEXT | {"eos_token_id": 2}, CUT),
    "metaclip_2": ("MetaClip2", TEXT, CUT),
    "siglip": ("Siglip", TEXT | {"projection_size": 32}, SQUASHED),
    "siglip2": ("Siglip2", TEXT | {"projection_size": 32}, {"max_num_patches": 12}),
    "altclip": ("AltCLIP", TEXT | {"max_position_embeddings": 2 + CONTEXT, "project_dim": 16}, CUT),
    "chinese_clip": ("ChineseCLIP", TEXT, SQUASHED),
}


def make_tokenizer(**options: Any) -> Any:
    """A tokenizer of letters; a word takes as many tokens as it has letters."""
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    tokenizer: Any = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=CONTEXT,
        **options,
    )


def save_two_towers(kind: str, folder: Path) -> Path:
    """Save a model with two towers, its tokenizer and its image processor."""
    name, text, resizing = TWO_TOWERS[kind]
    config = getattr(transformers, f"{name}Config")(
        text_config=text, vision_config=VISION | {"num_patches": 9}, projection_dim=16
    )
    pictures = "CLIP" if name in ("MetaClip2", "AltCLIP") else name
    torch.manual_seed(5)
    getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
    getattr(transformers, f"{pictures}ImageProcessor")(**resizing).save_pretrained(folder)
    masks = ["input_ids"] if kind.startswith("siglip") else ["input_ids", "attention_mask"]
    make_tokenizer(model_input_names=masks).save_pretrained(folder)
    return folder


def save_sentences(folder: Path) -> Path:
    """Save a model of sentence-transformers: BERT, the mean of its tokens, a layer, length 1."""
    import sentence_transformers as st  # noqa: PLC0415 (an extra)
    from sentence_transformers.base.modules import Dense, Normalize, Transformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import Pooling  # noqa: PLC0415

    torch.manual_seed(6)
    config = transformers.BertConfig(**TEXT)
    bert = folder.with_name(f"{folder.name}-bert")
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(bert)
    make_tokenizer().save_pretrained(bert)
    parts = [Transformer(str(bert)), Pooling(32), Dense(32, 24), Normalize()]
    st.SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder))
    return folder


def save_chat(folder: Path) -> Path:
    """Save a model of sentence-transformers that takes chat messages: a tiny Qwen3-VL.

    Pictures have 4 to 16 squares of 16 pixels; messages have up to 64 tokens.
    """
    import sentence_transformers as st  # noqa: PLC0415 (an extra)
    from sentence_transformers.base.modules import Normalize, Transformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import Pooling  # noqa: PLC0415

    marks = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    tokenizer = make_tokenizer(additional_special_tokens=list(marks.values()), padding_side="left")
    tokenizer.model_max_length = 64
    text = {
        key: TEXT[key] for key in TEXT if key not in ("max_position_embeddings", "projection_dim")
    }
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    config = transformers.Qwen3VLConfig(
        text_config=text
        | {"vocab_size": len(tokenizer), "num_key_value_heads": 2, "head_dim": 16}
        | {"rope_parameters": rope | {"mrope_interleaved": True}},
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "patch_size": 8,
            "out_hidden_size": 32,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        **{name: tokenizer.convert_tokens_to_ids(mark) for name, mark in marks.items()},
    )
    sizes = {
        "size": {"shortest_edge": 4 * 256, "longest_edge": 16 * 256},
        "patch_size": 8,
        "merge_size": 2,
    }
    torch.manual_seed(7)
    bare = folder.with_name(f"{folder.name}-qwen")
    transformers.Qwen3VLModel(config).save_pretrained(bare)
    transformers.Qwen3VLProcessor(
        transformers.Qwen2VLImageProcessor(**sizes),
        tokenizer,
        transformers.Qwen3VLVideoProcessor(**sizes),
        chat_template=CHAT,
    ).save_pretrained(bare)
    parts = [Transformer(str(bare)), Pooling(32, "lasttoken"), Normalize()]
    st.SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder))
    return folder


def save_joint(kind: str, folder: Path) -> Path:
    """Save a tiny BridgeTower, FLAVA or BLIP, with its tokenizer and image processor."""
    torch.manual_seed(5)
    small = {key: value for key, value in VISION.items() if key != "projection_dim"}
    text = {key: value for key, value in TEXT.items() if key != "projection_dim"}
    pictures: Any = SQUASHED
    if kind == "bridgetower":
        pictures = {"size": {"shortest_edge": 64}, "crop_size": {"shortest_edge": 64}}
        pictures["size_divisor"] = 16
        config: Any = transformers.BridgeTowerConfig(
            hidden_size=32,
            num_attention_heads=2,
            num_hidden_layers=2,
            text_config=text | {"max_position_embeddings": 2 + CONTEXT},
            vision_config={"hidden_size": 64, "num_hidden_layers": 3, "image_size": 64},
        )
        model: Any = transformers.BridgeTowerModel(config)
        processor = transformers.BridgeTowerImageProcessor(**pictures)
    elif kind == "flava":
        config = transformers.FlavaConfig(
            text_config=text, image_config=small, multimodal_config=small, projection_dim=16
        )
        model = transformers.FlavaModel(config)
        processor = transformers.FlavaImageProcessor(**SQUASHED)
    else:
        config = transformers.BlipConfig(
            text_config=text | {"encoder_hidden_size": 32}, vision_config=VISION, projection_dim=16
        )
        model = transformers.BlipModel(config)
        processor = transformers.BlipImageProcessor(size=SQUASHED["size"])
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    make_tokenizer(model_input_names=["input_ids", "attention_mask"]).save_pretrained(folder)
    return folder


def save_vilt(folder: Path) -> Path:
    """Save a tiny ViLT with its processor: pictures of 64 on the shorter side, patches of 16."""
    config = transformers.ViltConfig(
        **{key: TEXT[key] for key in ("vocab_size", "hidden_size", "intermediate_size")},
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        image_size=64,
        patch_size=16,
        initializer_range=0.3,  # so that patches and tokens tell
    )
    torch.manual_seed(5)
    model = transformers.ViltModel(config)
    torch.nn.init.normal_(model.embeddings.position_embeddings, std=0.3)
    torch.nn.init.normal_(model.embeddings.cls_token, std=0.3)
    model.save_pretrained(folder)
    transformers.ViltProcessor(
        transformers.ViltImageProcessor(size={"shortest_edge": 64}, size_divisor=16),
        make_tokenizer(model_input_names=["input_ids", "attention_mask"]),
    ).save_pretrained(folder)
    return folder
