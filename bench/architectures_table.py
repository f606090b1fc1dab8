# SPDX-License-Identifier: Apache-2.0
"""Architectures of Hugging Face's transformers: classes, configurations as small as they may be, and inputs."""

import torch

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
GPT = {
    "vocab_size": 99,
    "n_embd": 32,
    "n_layer": 1,
    "n_head": 4,
    "n_positions": 64,
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
EXPERTS = {
    **GROUPED,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
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
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "max_position_embeddings": 64,
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
DETECTION = {
    "backbone_config": {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
        "out_features": ["stage2"],
    },
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "num_queries": 6,
    "num_labels": 4,
}


def words(*shape):
    return torch.randint(2, 98, shape)


def sentences():
    """Two sentences of 9 and 6 words, and their attention mask."""
    mask = (torch.arange(9) < torch.tensor([[9], [6]])).long()
    return {"input_ids": words(2, 9) * mask, "attention_mask": mask}


def text():
    return {"input_ids": words(1, 16)}


def prompt():
    return {"input_ids": words(1, 9), "use_cache": False}


def translation():
    return {**prompt(), "decoder_input_ids": words(1, 5)}


def image():
    return {"pixel_values": torch.randn(1, 3, 32, 32)}


def video():
    return {"pixel_values": torch.randn(1, 4, 3, 32, 32)}


def captions():
    return torch.cat([words(2, 8), torch.full((2, 1), 98)], 1)


def image_and_captions():
    return {"input_ids": captions(), **image()}


def images_and_captions():
    return {"input_ids": captions(), "pixel_values": torch.randn(2, 3, 32, 32)}


def sound():
    return {"input_values": torch.randn(1, 640)}


def wave():
    return {"input_values": torch.randn(1, 1, 160)}


def spectrogram():
    return {"input_features": torch.randn(1, 8, 40), "decoder_input_ids": words(1, 5), "use_cache": False}


ARCHITECTURES = {
    # name: (class, configuration class, configuration, inputs)
    # Decoders.
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT, prompt),
    "gptj": ("GPTJForCausalLM", "GPTJConfig", {**GPT, "rotary_dim": 4}, prompt),
    "gpt_neo": ("GPTNeoForCausalLM", "GPTNeoConfig",
                {**TEXT, "num_hidden_layers": 2, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4}, prompt),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", TEXT, prompt),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", "GPTBigCodeConfig", GPT, prompt),
    "gpt_oss": ("GptOssForCausalLM", "GptOssConfig", {**EXPERTS, "num_hidden_layers": 2, "sliding_window": 4}, prompt),
    "opt": ("OPTForCausalLM", "OPTConfig", {**TEXT, "ffn_dim": 48, "word_embed_proj_dim": 32}, prompt),
    "bloom": ("BloomForCausalLM", "BloomConfig", {"vocab_size": 99, "hidden_size": 32, "n_layer": 1, "n_head": 4}, prompt),
    "llama": ("LlamaForCausalLM", "LlamaConfig", GROUPED, prompt),
    "llama4_text": ("Llama4ForCausalLM", "Llama4TextConfig",
                    {**EXPERTS, "intermediate_size_mlp": 48, "num_experts_per_tok": 1, "attention_chunk_size": 4}, prompt),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**GROUPED, "sliding_window": 4}, prompt),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", EXPERTS, prompt),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", GROUPED, prompt),
    "qwen2_moe": ("Qwen2MoeForCausalLM", "Qwen2MoeConfig", {**EXPERTS, "shared_expert_intermediate_size": 16}, prompt),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", GROUPED, prompt),
    "qwen3_moe": ("Qwen3MoeForCausalLM", "Qwen3MoeConfig", EXPERTS, prompt),
    "qwen3_next": ("Qwen3NextForCausalLM", "Qwen3NextConfig",
                   {**EXPERTS, "num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"],
                    "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
                    "shared_expert_intermediate_size": 16}, prompt),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", GROUPED, prompt),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config", WINDOWED, prompt),
    "gemma3_text": ("Gemma3ForCausalLM", "Gemma3TextConfig", WINDOWED, prompt),
    "phi": ("PhiForCausalLM", "PhiConfig", TEXT, prompt),
    "phi3": ("Phi3ForCausalLM", "Phi3Config", GROUPED, prompt),
    "phimoe": ("PhimoeForCausalLM", "PhimoeConfig", EXPERTS, prompt),
    "falcon": ("FalconForCausalLM", "FalconConfig", TEXT, prompt),
    "mpt": ("MptForCausalLM", "MptConfig", {"vocab_size": 99, "d_model": 32, "n_layers": 1, "n_heads": 4, "max_seq_len": 64}, prompt),
    "stablelm": ("StableLmForCausalLM", "StableLmConfig", GROUPED, prompt),
    "starcoder2": ("Starcoder2ForCausalLM", "Starcoder2Config", GROUPED, prompt),
    "olmo": ("OlmoForCausalLM", "OlmoConfig", GROUPED, prompt),
    "olmo2": ("Olmo2ForCausalLM", "Olmo2Config", GROUPED, prompt),
    "olmoe": ("OlmoeForCausalLM", "OlmoeConfig", EXPERTS, prompt),
    "deepseek_v2": ("DeepseekV2ForCausalLM", "DeepseekV2Config",
                    {**TEXT, "num_hidden_layers": 2, "moe_intermediate_size": 16, "n_routed_experts": 4, "n_shared_experts": 1,
                     "num_experts_per_tok": 2, "first_k_dense_replace": 1, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 8,
                     "qk_rope_head_dim": 8, "v_head_dim": 8, "n_group": 1, "topk_group": 1, "topk_method": "greedy"}, prompt),
    "deepseek_v3": ("DeepseekV3ForCausalLM", "DeepseekV3Config",
                    {**TEXT, "num_hidden_layers": 2, "moe_intermediate_size": 16, "n_routed_experts": 4, "n_shared_experts": 1,
                     "num_experts_per_tok": 2, "first_k_dense_replace": 1, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 8,
                     "qk_rope_head_dim": 8, "v_head_dim": 8, "n_group": 2, "topk_group": 1}, prompt),
    "cohere": ("CohereForCausalLM", "CohereConfig", GROUPED, prompt),
    "granite": ("GraniteForCausalLM", "GraniteConfig", GROUPED, prompt),
    "granitemoe": ("GraniteMoeForCausalLM", "GraniteMoeConfig", EXPERTS, prompt),
    "glm4": ("Glm4ForCausalLM", "Glm4Config", GROUPED, prompt),
    "mamba": ("MambaForCausalLM", "MambaConfig", {**TEXT, "hidden_size": 16, "state_size": 4}, prompt),
    "mamba2": ("Mamba2ForCausalLM", "Mamba2Config",
               {**TEXT, "hidden_size": 16, "state_size": 4, "num_heads": 4, "head_dim": 8, "n_groups": 1, "chunk_size": 4}, prompt),
    "rwkv": ("RwkvForCausalLM", "RwkvConfig", {**TEXT, "num_hidden_layers": 2, "attention_hidden_size": 32, "context_length": 64}, prompt),
    "recurrent_gemma": ("RecurrentGemmaForCausalLM", "RecurrentGemmaConfig",
                        {**GROUPED, "num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 8}, prompt),
    # Encoders.
    "bert": ("BertModel", "BertConfig", TEXT, sentences),
    "roberta": ("RobertaModel", "RobertaConfig", TEXT, sentences),
    "albert": ("AlbertModel", "AlbertConfig", {**TEXT, "embedding_size": 16}, sentences),
    "distilbert": ("DistilBertModel", "DistilBertConfig",
                   {"vocab_size": 99, "dim": 32, "n_layers": 1, "n_heads": 4, "hidden_dim": 48}, sentences),
    "electra": ("ElectraModel", "ElectraConfig", {**TEXT, "embedding_size": 16}, sentences),
    "deberta": ("DebertaModel", "DebertaConfig", {**TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}, sentences),
    "deberta_v2": ("DebertaV2Model", "DebertaV2Config",
                   {**TEXT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}, sentences),
    "modernbert": ("ModernBertModel", "ModernBertConfig",
                   {**TEXT, "num_hidden_layers": 2, "global_attn_every_n_layers": 2, "local_attention": 4, "cls_token_id": 2,
                    "sep_token_id": 3}, sentences),
    "mobilebert": ("MobileBertModel", "MobileBertConfig",
                   {**TEXT, "embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2}, sentences),
    "squeezebert": ("SqueezeBertModel", "SqueezeBertConfig", {**TEXT, "embedding_size": 32}, sentences),
    "longformer": ("LongformerModel", "LongformerConfig", {**TEXT, "attention_window": 4}, text),
    "bigbird": ("BigBirdModel", "BigBirdConfig", {**TEXT, "attention_type": "original_full", "block_size": 4}, text),
    "funnel": ("FunnelModel", "FunnelConfig",
               {"vocab_size": 99, "block_sizes": [1, 1], "num_decoder_layers": 1, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48}, text),
    "fnet": ("FNetModel", "FNetConfig", TEXT, text),
    "xlnet": ("XLNetModel", "XLNetConfig", {"vocab_size": 99, "d_model": 32, "n_layer": 1, "n_head": 4, "d_inner": 48}, text),
    # From one sequence to another.
    "t5": ("T5ForConditionalGeneration", "T5Config",
           {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4}, translation),
    "bart": ("BartForConditionalGeneration", "BartConfig", SEQ2SEQ, translation),
    "pegasus": ("PegasusForConditionalGeneration", "PegasusConfig", SEQ2SEQ, translation),
    "marian": ("MarianMTModel", "MarianConfig", SEQ2SEQ, translation),
    "whisper": ("WhisperForConditionalGeneration", "WhisperConfig",
                {**SEQ2SEQ, "num_mel_bins": 8, "max_source_positions": 20, "max_target_positions": 16}, spectrogram),
    # Speech.
    "wav2vec2": ("Wav2Vec2ForCTC", "Wav2Vec2Config", SPEECH, sound),
    "hubert": ("HubertModel", "HubertConfig", {**SPEECH, "feat_extract_norm": "layer", "do_stable_layer_norm": True}, sound),
    "encodec": ("EncodecModel", "EncodecConfig",
                {"num_filters": 4, "hidden_size": 8, "codebook_dim": 8, "codebook_size": 16, "upsampling_ratios": [4, 2],
                 "num_lstm_layers": 1, "target_bandwidths": [24.0]}, wave),
    # Images.
    "vit": ("ViTModel", "ViTConfig", IMAGE, image),
    "deit": ("DeiTModel", "DeiTConfig", IMAGE, image),
    "beit": ("BeitModel", "BeitConfig", {**IMAGE, "vocab_size": 99}, image),
    "swin": ("SwinModel", "SwinConfig",
             {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}, image),
    "swinv2": ("Swinv2Model", "Swinv2Config",
               {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}, image),
    "convnext": ("ConvNextModel", "ConvNextConfig", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}, image),
    "resnet": ("ResNetModel", "ResNetConfig", {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 1]}, image),
    "efficientnet": ("EfficientNetModel", "EfficientNetConfig",
                     {"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 320}, image),
    "segformer": ("SegformerForSemanticSegmentation", "SegformerConfig",
                  {"num_encoder_blocks": 2, "hidden_sizes": [8, 16], "depths": [1, 1], "num_attention_heads": [1, 2],
                   "decoder_hidden_size": 16, "num_labels": 4}, image),
    "mobilevit": ("MobileViTModel", "MobileViTConfig",
                  {"image_size": 32, "hidden_sizes": [8, 12, 16], "neck_hidden_sizes": [8, 8, 16, 16, 16, 16, 24], "num_attention_heads": 4,
                   "expand_ratio": 2.0}, image),
    "detr": ("DetrForObjectDetection", "DetrConfig", DETECTION, image),
    "yolos": ("YolosForObjectDetection", "YolosConfig", {**IMAGE, "num_hidden_layers": 2, "image_size": [32, 32], "num_detection_tokens": 4}, image),
    "dinov2": ("Dinov2Model", "Dinov2Config", IMAGE, image),
    "sam": ("SamVisionModel", "SamVisionConfig",
            {**IMAGE, "output_channels": 16, "window_size": 2, "global_attn_indexes": [0], "num_pos_feats": 16, "mlp_dim": 48}, image),
    "videomae": ("VideoMAEModel", "VideoMAEConfig", {**IMAGE, "num_frames": 4, "tubelet_size": 2}, video),
    # Images and words.
    "clip": ("CLIPModel", "CLIPConfig", {"text_config": TEXT, "vision_config": IMAGE, "projection_dim": 16}, image_and_captions),
    "siglip": ("SiglipModel", "SiglipConfig", {"text_config": TEXT, "vision_config": IMAGE}, image_and_captions),
    "blip": ("BlipModel", "BlipConfig", {"text_config": {**TEXT, "encoder_hidden_size": 32}, "vision_config": IMAGE, "projection_dim": 16},
             images_and_captions),
}  # fmt: skip


class Architecture(torch.nn.Module):
    """A model that takes its tensors by position."""

    def __init__(self, model, given):
        super().__init__()
        self.model = model
        self.names = [name for name, value in given.items() if isinstance(value, torch.Tensor)]
        self.options = {name: value for name, value in given.items() if name not in self.names}

    def forward(self, *tensors):
        return self.model(**dict(zip(self.names, tensors, strict=True)), **self.options)


def model_of(name):
    """A model with random weights, and its inputs by name."""
    import transformers

    kind, config, options, inputs = ARCHITECTURES[name]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**options)).eval()
    return randomized(model), inputs()


def whole(name):
    """A module with random weights that takes its tensors by position, and those tensors."""
    model, given = model_of(name)
    module = Architecture(model, given)
    return module, tuple(given[name] for name in module.names)


def randomized(model):
    """Weights for which every part of a model is seen in its outputs; with the library's own some are not."""
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, value in state.items():
            if not value.is_floating_point():
                continue
            if value.dim() > 1 and isinstance(value, torch.nn.Parameter):
                value.normal_(std=((2 if value.dim() == 4 else 1) / value[0].numel()) ** 0.5)
            elif name.endswith(("weight", "running_var")):
                value.uniform_(0.75, 1.25)
            elif name.endswith(("bias", "running_mean")):
                value.uniform_(-0.1, 0.1)
    return model
