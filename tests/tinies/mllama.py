"""Tiny Llama 3.2 Vision."""

from dataclasses import replace

from transformers import MllamaConfig, MllamaForConditionalGeneration

from tests.tinies.base import TEXT, VISION, HubFiles, Tiny, tokenizer, with_files


def mllama() -> Tiny:
    """One layer of self attention and one of cross attention, whose gate is open."""
    words = tokenizer("<|image|>", names={"image_token": "<|image|>"})
    images = {"image_processor_type": "MllamaImageProcessor", "max_image_tiles": 2,
              "size": {"height": 28, "width": 28}}  # fmt: skip
    files = HubFiles("MllamaProcessor", words, images, "<|image|>")
    ratios = [[1, 1], [1, 2], [2, 1]]
    vision = VISION | {"attention_heads": 4, "num_global_layers": 1, "max_num_tiles": 2,
                       "vision_output_dim": 96, "intermediate_layers_indices": [0, 1],
                       "supported_aspect_ratios": ratios}  # fmt: skip
    vision.pop("num_attention_heads")
    config = MllamaConfig(
        vision_config=vision,
        text_config={"vocab_size": len(words), "cross_attention_layers": [1], **TEXT},
        image_token_index=words.convert_tokens_to_ids("<|image|>"),
    )

    def make(config: MllamaConfig) -> MllamaForConditionalGeneration:
        model = MllamaForConditionalGeneration(config)
        for name, weight in model.named_parameters():
            if name.endswith(("gate_attn", "attn_gate", "gate_mlp", "mlp_gate", "gate_ffn")):
                weight.data.fill_(1.0)  # 0 at first, which would hide every picture
        return model

    tiny = with_files(make, config, files, [(28, 56), (28, 28), (56, 28)])
    # Samples are padded to the images of the one with most, which changes the model's own answers.
    alone = [{name: value[[i]] for name, value in tiny.batch.items()} for i in (0, 1)]
    return replace(tiny, alone=alone)
