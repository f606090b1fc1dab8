# SPDX-License-Identifier: Apache-2.0
"""Architectures of Hugging Face's transformers, from their configurations alone, held to PyTorch.

Every model is as small as its architecture allows, for what is tested is the operators that it is made of.
"""

import os

import pytest
import torch
from host_fixtures import captured_function, run_on_host
from zoo_fixtures import relative_error

os.environ["HF_HUB_OFFLINE"] = "1"

TOLERANCE = 1e-4

TEXT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 98,
}
GROUPED = {**TEXT, "num_key_value_heads": 2, "head_dim": 8}
WINDOWED = {
    **GROUPED,
    "num_hidden_layers": 2,
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention"],
}
SEQ2SEQ = {
    "vocab_size": 99,
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}
IMAGE = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
SPEECH = {
    "vocab_size": 20,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def words(*shape):
    return torch.randint(2, 98, shape)


def sentences():
    """Two sentences of 9 and 6 words, and their attention mask."""
    mask = (torch.arange(9) < torch.tensor([[9], [6]])).long()
    return {"input_ids": words(2, 9) * mask, "attention_mask": mask}


def prompt():
    return {"input_ids": words(1, 9), "use_cache": False}


def translation():
    return {**prompt(), "decoder_input_ids": words(1, 5)}


def image():
    return {"pixel_values": torch.randn(1, 3, 32, 32)}


def image_and_captions():
    return {"input_ids": torch.cat([words(2, 8), torch.full((2, 1), 98)], 1), **image()}


def sound():
    return {"input_values": torch.randn(1, 640)}


def spectrogram():
    return {"input_features": torch.randn(1, 8, 40), "decoder_input_ids": words(1, 5), "use_cache": False}


MODELS = {
    # name: (class, configuration class, configuration, inputs)
    "bert": ("BertModel", "BertConfig", TEXT, sentences),
    "distilbert": ("DistilBertForSequenceClassification", "DistilBertConfig",
                   {"vocab_size": 99, "dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48}, sentences),
    "roberta": ("RobertaModel", "RobertaConfig", TEXT, sentences),
    "albert": ("AlbertModel", "AlbertConfig", {**TEXT, "num_hidden_layers": 2, "embedding_size": 16},
               sentences),
    "deberta-v2": ("DebertaV2Model", "DebertaV2Config",
                   {**TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                    "position_buckets": 8}, sentences),
    "modernbert": ("ModernBertForMaskedLM", "ModernBertConfig",
                   {**TEXT, "num_hidden_layers": 2, "global_attn_every_n_layers": 2, "local_attention": 4,
                    "cls_token_id": 2,
                    "sep_token_id": 3}, sentences),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config",
             {**TEXT, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 64}, prompt),
    "llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED, prompt),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**GROUPED, "sliding_window": 4}, prompt),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig",
                {**GROUPED, "num_local_experts": 4, "experts_implementation": "batched_mm"}, prompt),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", GROUPED, prompt),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", GROUPED, prompt),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig", WINDOWED, prompt),
    "opt": ("OPTForCausalLM", "OPTConfig", {**TEXT, "ffn_dim": 48, "word_embed_proj_dim": 32}, prompt),
    "phi": ("PhiForCausalLM", "PhiConfig", TEXT, prompt),
    "gpt-neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", TEXT, prompt),
    "mamba": ("MambaForCausalLM", "MambaConfig", {**TEXT, "hidden_size": 16, "state_size": 4}, prompt),
    "t5": ("T5ForConditionalGeneration", "T5Config",
           {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4},
           translation),
    "bart": ("BartForConditionalGeneration", "BartConfig", {**SEQ2SEQ, "max_position_embeddings": 64},
             translation),
    "vit": ("ViTForImageClassification", "ViTConfig", IMAGE, image),
    "swin": ("SwinForImageClassification", "SwinConfig",
             {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 4],
              "window_size": 4},
             image),
    "convnext": ("ConvNextForImageClassification", "ConvNextConfig",
                 {"hidden_sizes": [8, 16, 24], "depths": [1, 1, 1], "num_stages": 3}, image),
    "resnet": ("ResNetForImageClassification", "ResNetConfig",
               {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 1]}, image),
    "efficientnet": ("EfficientNetModel", "EfficientNetConfig",
                     {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.25,
                      "hidden_dim": 320}, image),
    "segformer": ("SegformerForSemanticSegmentation", "SegformerConfig",
                  {"num_encoder_blocks": 2, "hidden_sizes": [8, 16], "depths": [1, 1],
                   "num_attention_heads": [1, 2],
                   "decoder_hidden_size": 16, "num_labels": 4}, image),
    "clip": ("CLIPModel", "CLIPConfig", {"text_config": TEXT, "vision_config": IMAGE, "projection_dim": 16},
             image_and_captions),
    "wav2vec2": ("Wav2Vec2ForCTC", "Wav2Vec2Config", SPEECH, sound),
    "hubert": ("HubertModel", "HubertConfig",
               {**SPEECH, "feat_extract_norm": "layer", "do_stable_layer_norm": True}, sound),
    "whisper": ("WhisperForConditionalGeneration", "WhisperConfig",
                {**SEQ2SEQ, "num_mel_bins": 8, "max_source_positions": 20, "max_target_positions": 16,
                 "pad_token_id": 0,
                 "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}, spectrogram),
}  # fmt: skip
DECODERS = ("gpt2", "llama", "qwen3", "gemma3", "gpt-neox")
"""Those that also decode one word from a cache; the others' attention is as one of these."""


class Model(torch.nn.Module):
    """A model that takes its tensors by position."""

    def __init__(self, model, given):
        super().__init__()
        self.model = model
        self.names = [name for name, value in given.items() if isinstance(value, torch.Tensor)]
        self.options = {name: value for name, value in given.items() if name not in self.names}

    def forward(self, *tensors):
        return self.model(**dict(zip(self.names, tensors, strict=True)), **self.options)


class Step(torch.nn.Module):
    """A decoder that takes one word, and its cache by position: each layer's keys, its values."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, word, *tensors):
        from transformers import DynamicCache

        cache = DynamicCache(zip(tensors[::2], tensors[1::2], strict=True), self.model.config)
        output = self.model(input_ids=word, past_key_values=cache, use_cache=True)
        return output.logits, tensors_of(output.past_key_values)


def tensors_of(cache):
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def build(name):
    """A model with random weights, and its inputs by name."""
    import transformers

    kind, config, options, inputs = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**options)).eval()
    return randomize(model), inputs()


def randomize(model):
    """Weights for which every part of a model is seen in its outputs; with the library's own some are not."""
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, value in state.items():
            if value.dim() > 1 and isinstance(value, torch.nn.Parameter):
                value.normal_(std=((2 if value.dim() == 4 else 1) / value[0].numel()) ** 0.5)
            elif name.endswith(("weight", "running_var")):
                value.uniform_(0.75, 1.25)
            elif name.endswith(("bias", "running_mean")):
                value.uniform_(-0.1, 0.1)
    return model


def whole(name):
    model, given = build(name)
    wrapped = Model(model, given)
    return wrapped, tuple(given[name] for name in wrapped.names)


def step(name):
    model, given = build(name)
    with torch.no_grad():
        cache = model(given["input_ids"], use_cache=True).past_key_values
    return Step(model), (words(1, 1), *tensors_of(cache))


CASES = {
    **{name: (whole, name) for name in MODELS},
    **{f"{name} with a cache": (step, name) for name in DECODERS},
}


@pytest.mark.parametrize("case", CASES)
def test_an_architecture_computes_what_pytorch_computes(case, tmp_path):
    kind, name = CASES[case]
    captured = captured_function(*kind(name))
    assert relative_error(run_on_host(captured, tmp_path), captured.references) <= TOLERANCE
