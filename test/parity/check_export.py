"""Loads a checkpoint that Fathom wrote with Hugging Face transformers, and scores token ids with it.

    node dist/cli/main.js init tiny --out /tmp/tiny && node dist/cli/main.js score --model /tmp/tiny --ids 3,1,4,1,5 --json > /tmp/score.json
    python test/parity/check_export.py /tmp/tiny --ids 3,1,4,1,5 --expect /tmp/score.json

Fails on tensors that transformers misses, on tensors that it does not know other than those of MTP layers (model.layers.N with N at least
num_hidden_layers, which it leaves out), and on log-probabilities that differ from those of --expect by more than --tolerance.
"""

import argparse
import json
import re
import sys

import torch
from transformers import AutoModelForCausalLM


def load(directory):
    # Eager experts: the grouped product of PyTorch refuses widths that are no multiple of 16 bytes.
    model, info = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    model.eval()
    return model, info


def problems(info, num_hidden_layers):
    """One line for each thing that did not fit."""
    lines = [f"missing: {name}" for name in sorted(info["missing_keys"])]
    for name in sorted(info["unexpected_keys"]):
        layer = re.match(r"model\.layers\.(\d+)\.", name)
        if not layer or int(layer.group(1)) < num_hidden_layers:
            lines.append(f"unexpected: {name}")
    lines += [f"another shape: {mismatch}" for mismatch in sorted(map(str, info.get("mismatched_keys", [])))]
    lines += [f"error: {message}" for message in info.get("error_msgs", [])]
    return lines


@torch.no_grad()
def log_probabilities(model, ids):
    """Of every token but the first."""
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1]
    return logits.double().log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()


def compare(ours, theirs, tolerance):
    """The deviation, or the reason why there is none to speak of. @param ours logprobs of `fathom score`, null first"""
    if len(ours) != len(theirs) + 1 or ours[0] is not None or None in ours[1:]:
        raise SystemExit(f"--expect holds {len(ours)} log-probabilities that are not null and then {len(theirs)} numbers")
    deviation = max(abs(a - b) for a, b in zip(ours[1:], theirs))
    print(f"largest deviation from --expect: {deviation:.2e}")
    if not deviation <= tolerance:
        raise SystemExit(f"log-probabilities differ by {deviation:.2e}, more than {tolerance:.0e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--ids", help="token ids, separated by commas")
    parser.add_argument("--expect", help="output of `fathom score --json` for the same ids")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    if arguments.expect and not arguments.ids:
        parser.error("--expect needs --ids")

    model, info = load(arguments.checkpoint)
    found = problems(info, model.config.num_hidden_layers)
    if found:
        sys.exit("\n".join(found))
    print(f"{type(model).__name__}: all tensors fit, {len(info['unexpected_keys'])} of MTP layers left out")
    if not arguments.ids:
        return
    ids = [int(part) for part in arguments.ids.split(",")]
    scores = log_probabilities(model, ids)
    print(f"mean log-probability: {sum(scores) / len(scores):.6f}")
    if arguments.expect:
        with open(arguments.expect, encoding="utf-8") as file:
            output = json.load(file)
        result = output.get("result", output)
        if result["ids"] != ids:
            sys.exit("--expect is for other ids")
        compare(result["logprobs"], scores, arguments.tolerance)


if __name__ == "__main__":
    main()
