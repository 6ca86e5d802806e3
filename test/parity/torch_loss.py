"""The loss curve of PyTorch from a checkpoint of ours, on given tokens: the oracle of trajectory.slow.test.ts.

    python test/parity/torch_loss.py CHECKPOINT TOKENS SETTINGS > losses.json

CHECKPOINT is a folder in Hugging Face layout in float32, as `fathom init` writes it; TOKENS a raw little-endian int32 file
[steps, batch, length + 1]; SETTINGS a JSON object {steps, batch, length, learningRates, beta1, beta2, eps, weightDecay,
maxGradNorm}, learningRates one per step. Trains in float32 without balance loss, bias update or MTP (test/parity/
trajectory.mjs writes all three and compares). Prints {"torch", "losses"}: each step's loss before its update.

The model is bench/peers/torch_model.py, which shares no code with ours. Needs `pip install torch numpy safetensors`.
"""

import glob
import json
import os
import sys

import numpy
import torch
from safetensors.torch import load_file

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(root, "bench", "peers"))
from torch_model import CausalLm, adamw, read_config  # noqa: E402


def load_model(checkpoint):
    if not os.path.exists(os.path.join(checkpoint, "config.json")):
        raise FileNotFoundError(f"{checkpoint}: no config.json, expected a checkpoint folder")
    model = CausalLm(read_config(checkpoint))
    tensors = {}
    for path in sorted(glob.glob(os.path.join(checkpoint, "*.safetensors"))):
        tensors.update(load_file(path))
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise ValueError(f"{checkpoint}: {name} is {tensor.dtype}, expected float32")
    model.load_state_dict(tensors, strict=True)
    return model


def read_tokens(path, settings):
    tokens = numpy.fromfile(path, dtype="<i4")
    shape = (settings["steps"], settings["batch"], settings["length"] + 1)
    if tokens.size != numpy.prod(shape):
        raise ValueError(f"{path}: expected {shape} int32 values, found {tokens.size}")
    return torch.from_numpy(tokens.astype("int64").reshape(shape))


def train(model, tokens, settings):
    optimizer = adamw(
        model,
        settings["learningRates"][0],
        (settings["beta1"], settings["beta2"]),
        settings["eps"],
        settings["weightDecay"],
        fused=False,
    )
    losses = []
    for step, batch in enumerate(tokens):
        for group in optimizer.param_groups:
            group["lr"] = settings["learningRates"][step]
        loss = model(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        # Experts that no token reached have no gradient; ours is zero there, and moments decay all the same.
        for parameter in model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings["maxGradNorm"])
        optimizer.step()
        losses.append(loss.item())
        print(f"step {step}: loss {losses[-1]:.6f}", file=sys.stderr, flush=True)
    return losses


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: torch_loss.py CHECKPOINT TOKENS SETTINGS")
    checkpoint, tokens_path, settings_path = sys.argv[1:]
    torch.set_num_threads(2)
    with open(settings_path, encoding="utf8") as file:
        settings = json.load(file)
    losses = train(load_model(checkpoint), read_tokens(tokens_path, settings), settings)
    print(json.dumps({"torch": torch.__version__, "losses": losses}))


if __name__ == "__main__":
    main()
