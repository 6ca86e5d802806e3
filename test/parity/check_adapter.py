"""Opens an adapter with PEFT over its base and compares logits; check_adapter.mjs calls this.

    python test/parity/check_adapter.py BASE ADAPTER LOGITS

LOGITS is JSON: ids, logits of the base with the adapter, and plain ones of the base alone. Exits with 1 if they differ by more than 1e-3 of
the largest, or if PEFT loaded less than the file holds. Used with torch 2.15.0, transformers 5.24.0 and peft 0.21.2.
"""

import json
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


def main():
    base, adapter, path = sys.argv[1:]
    with open(path) as file:
        told = json.load(file)
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )
    ids = torch.tensor([told["ids"]])
    shape = (1, len(told["ids"]), -1)
    failed = False

    def compare(what, theirs, ours):
        nonlocal failed
        ours = torch.tensor(ours).reshape(shape)
        largest = ours.abs().max().item()
        furthest = (theirs - ours).abs().max().item()
        failed = failed or not furthest < 1e-3 * largest
        print(f"{what}: largest logit {largest:.4f}, furthest apart {furthest:.2e}")

    with torch.no_grad():
        compare("base", model.eval()(input_ids=ids, use_cache=False).logits, told["plain"])
        # PEFT only warns of tensors that it cannot place; the logits then are those of the base.
        adapted = PeftModel.from_pretrained(model, adapter).eval()
        compare("with the adapter", adapted(input_ids=ids, use_cache=False).logits, told["logits"])
        apart = (torch.tensor(told["logits"]) - torch.tensor(told["plain"])).abs().max().item()
        print(f"the adapter moves logits by up to {apart:.4f}")
    stored = sum(tensor.numel() for tensor in load_file(f"{adapter}/adapter_model.safetensors").values())
    loaded = sum(p.numel() for name, p in adapted.named_parameters() if ".lora_" in name)
    print(f"numbers of the adapter: {stored} in the file, {loaded} in PEFT")
    sys.exit(1 if failed or stored != loaded else 0)


if __name__ == "__main__":
    main()
