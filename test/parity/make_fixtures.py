"""Writes the fixtures that transformers.test.ts compares with: tiny random models and what Hugging Face transformers computes from them.

    python test/parity/make_fixtures.py [OUTPUT_DIRECTORY]

Each directory holds config.json and model.safetensors, as save_pretrained wrote them, and expected.safetensors: input_ids [2, 13], logits
[2, 13, V], and grad.NAME for every trained tensor NAME of model.safetensors, for the loss that is the mean of the 2 * 12 next-token
cross-entropies. Everything is float32 with eager attention on the CPU. Made with torch 2.15.0 and transformers 5.24.0.

Where transformers and the published inference code differ, the configurations keep away:
- Latent norms: transformers always uses an epsilon of 1e-6, so rms_norm_eps is 1e-6 too.
- Routing biases: older versions give experts outside the chosen groups a score of 0 instead of minus infinity, so that negative biases could
  let such an expert in; the biases here are not negative, and every version agrees.
- deepseek_v2: transformers never normalises the routing weights, so norm_topk_prob is false; older versions leave the mscale of YaRN out of the
  softmax scale, so only a deepseek_v3 fixture has YaRN.
- Rotation: deepseek_v3 turns interleaved pairs and then moves them to halves, for queries and keys alike; products of the two are the same.
"""

import os
import re
import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM

BASE = dict(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=40,
    moe_intermediate_size=12,
    num_hidden_layers=3,
    first_k_dense_replace=1,
    num_attention_heads=4,
    num_key_value_heads=4,
    n_routed_experts=8,
    num_experts_per_tok=3,
    kv_lora_rank=12,
    qk_nope_head_dim=8,
    qk_rope_head_dim=4,
    v_head_dim=6,
    max_position_embeddings=64,
    rms_norm_eps=1e-6,
    bos_token_id=0,
    eos_token_id=1,
    tie_word_embeddings=False,
)
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
# Eight channels, this base and this window: three of the four pairs lie inside the ramp, which ends beyond the last one.
YARN = {
    "rope_type": "yarn",
    "rope_theta": 100.0,
    "factor": 4.0,
    "original_max_position_embeddings": 256,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
}
V3 = dict(
    BASE,
    n_shared_experts=1,
    routed_scaling_factor=2.5,
    norm_topk_prob=True,
    num_nextn_predict_layers=0,
)
# Model class, config class, seed, values of the config.
FIXTURES = {
    "v3-groups": (
        DeepseekV3ForCausalLM,
        DeepseekV3Config,
        1,
        dict(V3, q_lora_rank=14, n_group=4, topk_group=2, rope_parameters=PLAIN_ROPE),
    ),
    "v3-plain": (
        DeepseekV3ForCausalLM,
        DeepseekV3Config,
        6,
        dict(
            V3,
            q_lora_rank=None,
            n_group=1,
            topk_group=1,
            qk_rope_head_dim=8,
            max_position_embeddings=1024,
            rope_parameters=YARN,
        ),
    ),
    "v2-softmax": (
        DeepseekV2ForCausalLM,
        DeepseekV2Config,
        3,
        dict(
            BASE,
            q_lora_rank=14,
            n_shared_experts=2,
            n_group=4,
            topk_group=2,
            topk_method="group_limited_greedy",
            scoring_func="softmax",
            norm_topk_prob=False,
            routed_scaling_factor=1.5,
            rope_parameters=PLAIN_ROPE,
        ),
    ),
}
STD = 0.15
MAX_BIAS = 0.3
SEQUENCES, LENGTH = 2, 13
MAX_BYTES = 700_000


def randomize(model, generator):
    """Draws every tensor in the order of its name, so that a change of the module tree does not change the rest."""
    tensors = dict(model.named_parameters())
    tensors |= {name: buffer for name, buffer in model.named_buffers() if name.endswith("e_score_correction_bias")}
    with torch.no_grad():
        for name in sorted(tensors):
            tensor = tensors[name]
            if name.endswith("e_score_correction_bias"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * MAX_BIAS)
            elif tensor.dim() == 1:
                tensor.copy_(1 + 0.1 * torch.randn(tensor.shape, generator=generator))
            else:
                tensor.copy_(STD * torch.randn(tensor.shape, generator=generator))


def disk_tensors(name, tensor):
    """The tensors on disk that one in memory becomes: transformers fuses the experts of a layer there."""
    match = re.fullmatch(r"(.*\.mlp\.experts)\.(gate_up_proj|down_proj)", name)
    if not match:
        return {name: tensor}
    prefix, kind = match.groups()
    parts = ["gate_proj", "up_proj"] if kind == "gate_up_proj" else [kind]
    return {
        f"{prefix}.{j}.{part}.weight": piece
        for j, expert in enumerate(tensor)
        for part, piece in zip(parts, expert.chunk(len(parts), dim=0))
    }


def checked_names(path, expected):
    """Compares names and values on disk with those in memory."""
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}
    if found.keys() != expected.keys():
        raise SystemExit(f"{path}: names differ: {sorted(found.keys() ^ expected.keys())}")
    for name, tensor in found.items():
        if not torch.equal(tensor, expected[name]):
            raise SystemExit(f"{path}: {name} differs from the tensor in memory")


def make(directory, model_class, config_class, values, seed):
    config = config_class(**values)
    model = model_class._from_config(config, attn_implementation="eager", dtype=torch.float32)
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    randomize(model, generator)
    ids = torch.randint(config.vocab_size, (SEQUENCES, LENGTH), generator=generator)
    logits = model(input_ids=ids, use_cache=False).logits
    targets = ids[:, 1:].reshape(-1)
    torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, config.vocab_size), targets).backward()

    os.makedirs(directory, exist_ok=True)
    model.save_pretrained(directory)
    generation = os.path.join(directory, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)
    weights = {}
    for name, tensor in model.state_dict().items():
        weights |= disk_tensors(name, tensor)
    checked_names(os.path.join(directory, "model.safetensors"), weights)

    expected = {"input_ids": ids.to(torch.int32), "logits": logits.detach()}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            raise SystemExit(f"{directory}: {name} has no gradient")
        parts = disk_tensors(name, parameter.grad)
        unused = [on_disk for on_disk, part in parts.items() if not part.any()]
        if unused:
            raise SystemExit(f"{directory}: the gradient of {unused[0]} is zero, which proves little: choose another seed")
        expected |= {f"grad.{on_disk}": part for on_disk, part in parts.items()}
    expected = {name: tensor.contiguous() for name, tensor in expected.items()}
    save_file(expected, os.path.join(directory, "expected.safetensors"))

    for name in sorted(os.listdir(directory)):
        size = os.path.getsize(os.path.join(directory, name))
        if size > MAX_BYTES:
            raise SystemExit(f"{directory}/{name}: {size} bytes, at most {MAX_BYTES} belong into a repository")
        print(f"{directory}/{name}: {size} bytes")


def main():
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    output = sys.argv[1] if len(sys.argv) > 1 else here
    torch.use_deterministic_algorithms(True)
    for name, (model_class, config_class, seed, values) in FIXTURES.items():
        make(os.path.join(output, name), model_class, config_class, values, seed)


if __name__ == "__main__":
    main()
