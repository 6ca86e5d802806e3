"""A plain PyTorch DeepSeek-V3, the reference of bench/peers/torch_train.py and test/parity/torch_loss.py.

Written for clarity and for the speed that PyTorch gives without custom kernels: multi-head latent attention in its
expanded form through scaled_dot_product_attention, sigmoid top-k routing with a correction bias, one SwiGLU per
expert over index_select / index_add_, RMSNorm, an untied head. Modules carry the names of the published
checkpoints, so a checkpoint's tensors load with load_state_dict. DeepSeek-V3 report, sections 2.1.1 and 2.1.2.

Deviations: no expert groups (n_group must be 1), no MTP modules, no balance loss, no update of the correction bias.
"""

import json
import os

import torch
import torch.nn.functional as F
from torch import nn


def read_config(folder_or_preset):
    """The config of a checkpoint folder, or of a preset in configs/; refuses what this model does not have."""
    path = os.path.join(folder_or_preset, "config.json")
    if not os.path.exists(path):
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        path = os.path.join(root, "configs", folder_or_preset + ".json")
    with open(path, encoding="utf8") as file:
        config = json.load(file)
    expected = {
        "n_group": 1,
        "scoring_func": "sigmoid",
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "num_nextn_predict_layers": 0,
        "rope_scaling": None,
    }
    for key, value in expected.items():
        if config[key] != value:
            raise ValueError(f"{path}: {key} must be {value!r} for the PyTorch model, found {config[key]!r}")
    return config


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Mlp(nn.Module):
    """SwiGLU."""

    def __init__(self, size, hidden):
        super().__init__()
        self.gate_proj = nn.Linear(size, hidden, bias=False)
        self.up_proj = nn.Linear(size, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, size, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def rope_tables(positions, size, theta):
    """cos and sin [positions, size / 2]; angles in float64, as the tables of our model."""
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    """Rotary embedding of [..., length, size] in DeepSeek's layout: pair i is channels (2i, 2i + 1)."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).type_as(x)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, rank = config["hidden_size"], config["kv_lora_rank"]
        self.heads = config["num_attention_heads"]
        self.nope, self.rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
        self.value = config["v_head_dim"]
        eps = config["rms_norm_eps"]
        self.q_a_proj = nn.Linear(size, config["q_lora_rank"], bias=False)
        self.q_a_layernorm = RMSNorm(config["q_lora_rank"], eps)
        self.q_b_proj = nn.Linear(config["q_lora_rank"], self.heads * (self.nope + self.rope), bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(size, rank + self.rope, bias=False)
        self.kv_a_layernorm = RMSNorm(rank, eps)
        self.kv_b_proj = nn.Linear(rank, self.heads * (self.nope + self.value), bias=False)
        self.o_proj = nn.Linear(self.heads * self.value, size, bias=False)
        self.rank = rank

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        q = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
        q = q.view(batch, length, self.heads, -1).transpose(1, 2)
        q_nope, q_rope = q.split([self.nope, self.rope], -1)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split([self.rank, self.rope], -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).view(batch, length, self.heads, -1).transpose(1, 2)
        k_nope, v = kv.split([self.nope, self.value], -1)
        k_rope = rotate(k_rope.unsqueeze(1), cos, sin).expand(-1, self.heads, -1, -1)
        q = torch.cat((q_nope, rotate(q_rope, cos, sin)), -1)
        k = torch.cat((k_nope, k_rope), -1)
        # Equal widths of keys and values let PyTorch take its fused kernel; the added columns stay zero.
        v = F.pad(v, (0, self.nope + self.rope - self.value))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)[..., : self.value]
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class Gate(nn.Module):
    """Chooses by biased sigmoid scores, weighs by the unbiased ones. Logits in float32 in every mode."""

    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config["n_routed_experts"], config["hidden_size"]))
        self.register_buffer("e_score_correction_bias", torch.zeros(config["n_routed_experts"]))
        self.top = config["num_experts_per_tok"]
        self.scale = config["routed_scaling_factor"]

    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            scores = F.linear(x.float(), self.weight).sigmoid()
        experts = (scores.detach() + self.e_score_correction_bias).topk(self.top, -1, sorted=False).indices
        weights = scores.gather(-1, experts)
        return experts, weights / (weights.sum(-1, keepdim=True) + 1e-20) * self.scale


class Moe(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, hidden = config["hidden_size"], config["moe_intermediate_size"]
        self.gate = Gate(config)
        self.experts = nn.ModuleList(Mlp(size, hidden) for _ in range(config["n_routed_experts"]))
        self.shared_experts = Mlp(size, hidden * config["n_shared_experts"])

    def forward(self, x):
        rows = x.flatten(0, -2)
        experts, weights = self.gate(rows)
        # Slots in the order of their experts; a slot is token * top + place.
        order = experts.flatten().argsort(stable=True)
        counts = experts.flatten().bincount(minlength=len(self.experts)).tolist()
        y = self.shared_experts(rows)
        for expert, slots in zip(self.experts, order.split(counts)):
            if len(slots) > 0:
                tokens = slots // experts.shape[-1]
                part = expert(rows.index_select(0, tokens))
                weight = weights.flatten().index_select(0, slots).unsqueeze(-1)
                y.index_add_(0, tokens, (part * weight).type_as(y))
        return y.view_as(x)


class Block(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        size, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = RMSNorm(size, eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(size, eps)
        is_dense = layer < config["first_k_dense_replace"]
        self.mlp = Mlp(size, config["intermediate_size"]) if is_dense else Moe(config)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config["num_hidden_layers"]))
        self.norm = RMSNorm(config["hidden_size"], config["rms_norm_eps"])


class CausalLm(nn.Module):
    """Matrices are drawn normal with the config's initializer_range; norm weights are one."""

    def __init__(self, config):
        super().__init__()
        self.model = Trunk(config)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=config["initializer_range"])
        tables = rope_tables(config["max_position_embeddings"], config["qk_rope_head_dim"], config["rope_theta"])
        self.register_buffer("cos", tables[0], persistent=False)
        self.register_buffer("sin", tables[1], persistent=False)

    def forward(self, tokens):
        """Mean cross-entropy in nats. tokens [batch, length + 1]: inputs and, shifted by one, their targets."""
        length = tokens.shape[1] - 1
        x = self.model.embed_tokens(tokens[:, :-1])
        for block in self.model.layers:
            x = block(x, self.cos[:length], self.sin[:length])
        logits = self.lm_head(self.model.norm(x)).flatten(0, -2)
        return F.cross_entropy(logits.float(), tokens[:, 1:].flatten())


def adamw(model, learning_rate, betas, eps, weight_decay, fused):
    """AdamW that decays matrices and leaves norm weights (one dimension) alone."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=tuple(betas), eps=eps, fused=fused)
