"""Writes the fixture that posttraining.test.ts compares with: losses and gradients of fine-tuning and of DPO, by transformers and PyTorch.

    python test/parity/posttraining.py [OUTPUT_DIRECTORY]

The model is fixtures/v3-groups (make_fixtures.py), in float32 with eager attention on the CPU. Records are padded on the right and masked,
and labels that are not learned are -100, as is usual there. expected.safetensors holds

    sft.ids, sft.is_target [3, L], sft.lengths [3], sft.loss [1]
    dpo.ids, dpo.is_target [6, L], dpo.lengths [6]        the chosen and the rejected answer of each of three pairs in turn
    dpo.policy, dpo.reference [6]                         log-probabilities, summed over each answer's tokens
    dpo.losses [4]                                        sigmoid, sigmoid with smoothing 0.1, IPO of sums, hinge; beta 0.5
    sft.grad.NAME, dpo.grad.NAME                          of every trained tensor; for DPO of the second of these losses

A gradient is stored as its norm, its largest absolute value and every STRIDE-th element, which tell a wrong one as well as all of it would.
The reference is the same model with noise on its weights. Made with torch 2.15.0 and transformers 5.24.0.
"""

import copy
import os
import sys

import torch
from make_fixtures import MAX_BYTES, disk_tensors
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy, log_softmax, logsigmoid
from transformers import DeepseekV3ForCausalLM

SEED = 1
IGNORED = -100
BETA, SMOOTHING = 0.5, 0.1
# Tokens of the prompt and of the whole; of DPO those of each pair's answers, behind one prompt.
SFT_LENGTHS = [(4, 13), (1, 9), (6, 17)]
DPO_LENGTHS = [(5, 14, 11), (3, 7, 12), (7, 16, 16)]
SAMPLES = 64


def padded(records):
    """[rows, longest] ids, mask of what is there, and labels."""
    longest = max(len(ids) for ids, _ in records)
    ids = torch.zeros(len(records), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, IGNORED)
    for row, (own, prompt) in enumerate(records):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
        labels[row, prompt : len(own)] = own[prompt:]
    return ids, mask, labels


def answer_logprobs(model, ids, mask, labels):
    """Sums over the supervised tokens of each row."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
    targets = labels[:, 1:]
    every = log_softmax(logits, -1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (every * (targets != IGNORED)).sum(-1)


def dpo_losses(policy, reference):
    log_ratio = policy - reference
    difference = log_ratio[0::2] - log_ratio[1::2]
    h = BETA * difference
    smoothed = -(1 - SMOOTHING) * logsigmoid(h) - SMOOTHING * logsigmoid(-h)
    ipo = (difference - 1 / (2 * BETA)) ** 2
    return [-logsigmoid(h).mean(), smoothed.mean(), ipo.mean(), torch.relu(1 - h).mean()]


def gradients(model, prefix):
    """The gradients of the last backward, which are taken away."""
    stored = {}
    for name, parameter in model.named_parameters():
        for on_disk, part in disk_tensors(name, parameter.grad).items():
            if not part.any():
                raise SystemExit(f"the gradient of {on_disk} is zero, which proves little: choose another seed")
            flat = part.flatten()
            stride = -(-flat.numel() // SAMPLES)
            figures = torch.stack([flat.norm(), flat.abs().max()])
            stored[f"{prefix}.grad.{on_disk}"] = torch.cat([figures, flat[::stride]])
    model.zero_grad()
    return stored


def given(prefix, records):
    ids, mask, labels = padded(records)
    return {
        f"{prefix}.ids": ids.to(torch.int32),
        f"{prefix}.is_target": (labels != IGNORED).to(torch.int32),
        f"{prefix}.lengths": mask.sum(-1).to(torch.int32),
    }


def main():
    fixtures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    output = sys.argv[1] if len(sys.argv) > 1 else os.path.join(fixtures, "posttraining")
    torch.use_deterministic_algorithms(True)
    generator = torch.Generator().manual_seed(SEED)
    model = DeepseekV3ForCausalLM.from_pretrained(
        os.path.join(fixtures, "v3-groups"), attn_implementation="eager", dtype=torch.float32
    )
    model.eval()

    def draw(count):
        return torch.randint(model.config.vocab_size, (count,), generator=generator)

    records = [(draw(length), prompt) for prompt, length in SFT_LENGTHS]
    answers = []
    for prompt, *lengths in DPO_LENGTHS:
        question = draw(prompt)
        answers += [(torch.cat([question, draw(length - prompt)]), prompt) for length in lengths]
    expected = given("sft", records) | given("dpo", answers)

    ids, mask, labels = padded(records)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    targets = labels[:, 1:].reshape(-1)
    loss = cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets, ignore_index=IGNORED)
    loss.backward()
    expected |= {"sft.loss": loss.detach()[None]} | gradients(model, "sft")

    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in sorted(other.named_parameters()):
            parameter.mul_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
        reference = answer_logprobs(other, *padded(answers))
    policy = answer_logprobs(model, *padded(answers))
    losses = dpo_losses(policy, reference)
    losses[1].backward()
    expected |= {"dpo.policy": policy.detach(), "dpo.reference": reference, "dpo.losses": torch.stack(losses).detach()}
    expected |= gradients(model, "dpo")

    os.makedirs(output, exist_ok=True)
    path = os.path.join(output, "expected.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, path)
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise SystemExit(f"{path}: {size} bytes, at most {MAX_BYTES} belong into a repository")
    print(f"{path}: {size} bytes; losses {loss.item():.6f}, {[round(each.item(), 6) for each in losses]}")


if __name__ == "__main__":
    main()
