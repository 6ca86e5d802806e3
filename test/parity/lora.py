"""Runs adapters with PEFT, for lora.test.ts; lora.mjs calls this.

    python test/parity/lora.py BASE FIXTURES

BASE is a tiny DeepSeek-V3 checkpoint, FIXTURES/ours an adapter that Fathom wrote over it. Writes
  ours/expected.safetensors, theirs/expected.safetensors   logits [2, 13, V] for input_ids of BASE/expected.safetensors, merged.NAME (some
                               weights after PEFT merged the adapter), and grad.NAME for every tensor NAME of the adapter, for the loss
                               that is the mean of the next-token cross-entropies
  theirs/                      an adapter that PEFT made and saved: rsLoRA, patterns, a regular expression for targets
  matching.json                what PEFT's rule says of names, ranks and scales

transformers 5 keeps the experts of a layer in one tensor, and PEFT turns an adapter of single experts into one of that tensor; shared
experts, whose projections have the same names, are then left out. As in the published code and in transformers 4, the experts here are a
list of feed-forward parts whose projections are linears, and the model goes by another name, which PEFT has no conversion for. Made with
torch 2.15.0, transformers 5.24.0 and peft 0.21.2.
"""

import json
import math
import os
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MLP, DeepseekV3MoE

MERGED = [
    "model.layers.1.self_attn.kv_b_proj",
    "model.layers.2.self_attn.o_proj",
    "model.layers.0.mlp.up_proj",
    "model.layers.2.mlp.experts.5.down_proj",
]
MAX_BYTES = 700_000


class ExpertList(nn.ModuleList):
    """The experts of a layer, each with its own linears."""

    def forward(self, hidden, indices, weights):
        result = torch.zeros_like(hidden)
        for number, expert in enumerate(self):
            token, slot = torch.where(indices == number)
            result.index_add_(0, token, expert(hidden[token]) * weights[token, slot, None])
        return result


def load(base):
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )
    for module in model.modules():
        if not isinstance(module, DeepseekV3MoE):
            continue
        fused = module.experts
        experts = []
        for gate_up, down in zip(fused.gate_up_proj, fused.down_proj):
            expert = DeepseekV3MLP(model.config, intermediate_size=model.config.moe_intermediate_size)
            gate, up = gate_up.chunk(2)
            for linear, weight in ((expert.gate_proj, gate), (expert.up_proj, up), (expert.down_proj, down)):
                linear.weight = nn.Parameter(weight.detach().clone())
            experts.append(expert)
        module.experts = ExpertList(experts)
    model.config.model_type = "deepseek_v3_with_linear_experts"
    return model.eval()


def expect(peft_model, ids, path):
    """Logits, gradients and merged weights of a model with an adapter."""
    logits = peft_model(input_ids=ids, use_cache=False).logits
    targets = ids[:, 1:].reshape(-1)
    torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets).backward()
    expected = {"logits": logits.detach()}
    for name, parameter in peft_model.named_parameters():
        if parameter.requires_grad:
            if parameter.grad is None or not parameter.grad.any():
                raise SystemExit(f"{path}: the gradient of {name} is zero, which proves little: choose other tokens")
            expected[f"grad.{name.replace('.default', '')}"] = parameter.grad
    merged = peft_model.merge_and_unload()
    for name in MERGED:
        expected[f"merged.{name}"] = merged.get_submodule(name).weight.detach()
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, os.path.join(path, "expected.safetensors"))


def matching(base_model):
    """What PEFT says of the model's linears under some configs."""
    names = [name for name, module in base_model.named_modules() if isinstance(module, nn.Linear)]
    configs = [
        dict(target_modules=["q_b_proj", "o_proj"]),
        dict(target_modules=["proj"]),
        dict(target_modules=["b_proj"]),
        dict(target_modules=["mlp.gate_proj", "shared_experts.up_proj", "model.layers.1.self_attn.o_proj"]),
        dict(target_modules=["down_proj"], exclude_modules=["shared_experts.down_proj"]),
        dict(target_modules=["down_proj"], exclude_modules=r".*\.experts\..*"),
        dict(target_modules=r".*\.self_attn\.(q_a|kv_b)_proj"),
        dict(target_modules=r"self_attn\.o_proj"),
        dict(target_modules=["o_proj", "up_proj"], layers_to_transform=[0, 2]),
        dict(target_modules=["o_proj", "up_proj"], layers_to_transform=1),
        dict(target_modules=["o_proj", "up_proj"], layers_to_transform=[1], layers_pattern="layers"),
        dict(
            target_modules=["o_proj", "up_proj"],
            rank_pattern={"o_proj": 3, r"layers\.1\.mlp\.experts\.[0-3]\.up_proj": 5},
            alpha_pattern={"proj": 100, r".*shared.*": 7, "up_proj": 9, "layers.0.self_attn.o_proj": 2},
        ),
        dict(target_modules=["o_proj", "up_proj"], r=16, lora_alpha=4, use_rslora=True, rank_pattern={"o_proj": 9}),
    ]
    cases = []
    for values in configs:
        config = LoraConfig(**values)
        found = []
        for name in names:
            if not check_target_module_exists(config, name):
                continue
            rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), name), config.r)
            alpha = config.alpha_pattern.get(get_pattern_key(config.alpha_pattern.keys(), name), config.lora_alpha)
            found.append([name, rank, alpha / (math.sqrt(rank) if config.use_rslora else rank)])
        cases.append({"config": {"peft_type": "LORA", **values}, "found": found})
    return {"names": names, "cases": cases}


def main():
    base, fixtures = (os.path.abspath(path) for path in sys.argv[1:3])
    torch.use_deterministic_algorithms(True)
    # A tensor that PEFT does not find, or does not know, is a warning there.
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", FutureWarning)
    ids = load_file(os.path.join(base, "expected.safetensors"))["input_ids"].long()

    ours = os.path.join(fixtures, "ours")
    expect(PeftModel.from_pretrained(load(base), ours, is_trainable=True), ids, ours)

    theirs = os.path.join(fixtures, "theirs")
    os.makedirs(theirs, exist_ok=True)
    os.chdir(theirs)  # The base's path in its config is the way from there.
    torch.manual_seed(11)
    config = LoraConfig(
        r=3,
        lora_alpha=4,
        use_rslora=True,
        target_modules=r".*\.(self_attn\.\w+_proj(_with_mqa)?|mlp\.(shared_experts\.|experts\.\d+\.)?(gate|up|down)_proj)",
        exclude_modules=r".*\.mlp\.up_proj",
        rank_pattern={"o_proj": 5, r"experts\.\d+\.down_proj": 2},
        alpha_pattern={"kv_a_proj_with_mqa": 9},
        task_type="CAUSAL_LM",
        init_lora_weights=False,
    )
    model = get_peft_model(load(os.path.relpath(base, theirs)), config)
    model.save_pretrained(theirs)
    os.remove(os.path.join(theirs, "README.md"))
    expect(model, ids, theirs)

    with open(os.path.join(fixtures, "matching.json"), "w") as file:
        json.dump(matching(load(base)), file, indent=1)
        file.write("\n")
    for folder, _, files in sorted(os.walk(fixtures)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            size = os.path.getsize(path)
            if size > MAX_BYTES:
                raise SystemExit(f"{path}: {size} bytes, at most {MAX_BYTES} belong into a repository")
            print(f"{os.path.relpath(path, fixtures)}: {size} bytes")


if __name__ == "__main__":
    main()
