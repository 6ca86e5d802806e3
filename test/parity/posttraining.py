"""Writes the fixture that posttraining.test.ts compares with: losses and gradients of fine-tuning, DPO, a reward model and GRPO, by TRL.

    python test/parity/posttraining.py [OUTPUT_DIRECTORY]

The model is fixtures/v3-groups (make_fixtures.py), in float32 with eager attention on the CPU. Texts of made-up words go through TRL's own
preparation (tokenizer, end token, mask of the prompt, padding), and each loss is what compute_loss of TRL's trainer gives for the batch that its
data loader made: SFTTrainer, DPOTrainer with a second model as reference, RewardTrainer over DeepseekV3ForSequenceClassification. GRPOTrainer
would sample its answers, so its compute_loss gets given ones in the form in which it hands them on: prompts padded on the left, answers on the
right, advantages, and log-probabilities of two other models, which its own method computed. Their weights are the model's with noise on them.
Nothing is fetched. expected.safetensors holds

    KIND.ids, KIND.is_target [rows, L], KIND.lengths [rows]  sft, dpo, reward, grpo; of pairs the chosen answers, then the rejected ones
    sft.loss [1]
    dpo.policy, dpo.reference [6]                            log-probabilities, summed over each answer's tokens
    dpo.losses [3]                                           of DPO_LOSSES, beta 0.5; TRL's IPO divides an answer's sum by its tokens
    reward.head [hidden], reward.scores [6]                  weights of the head, without a bias
    reward.losses [3]                                        of REWARD_LOSSES: plain, centred, with margins for each pair (reward.margins)
    grpo.advantages [4], grpo.old, grpo.reference [4, L]     0 where nothing is a target
    grpo.losses [variants]                                   of GRPO_LOSSES
    KIND.grad.NAME                                           of every trained tensor: sft; dpo, sigmoid; reward, centred; grpo and gspo,
                                                             the first and the second of GRPO_LOSSES

A gradient is stored as its norm, its largest absolute value and every STRIDE-th element, which tell a wrong one as well as all of it would.
Label smoothing is not here: what TRL has of it ("robust") is another loss. Made with trl 1.16.0, transformers 5.24.0, accelerate 1.15.0,
datasets 5.2.0 and torch 2.15.0.
"""

import copy
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from datasets import Dataset, disable_progress_bars
from make_fixtures import MAX_BYTES, disk_tensors
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import DeepseekV3ForCausalLM, DeepseekV3ForSequenceClassification, PreTrainedTokenizerFast, logging
from trl import (
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

SEED = 1
IGNORED = -100
BETA = 0.5
# Words of the prompt and of what follows it, to which TRL adds the end token; of pairs both answers behind one prompt.
SFT_LENGTHS = [(4, 8), (1, 7), (6, 10)]
PAIR_LENGTHS = [(5, 8, 5), (3, 3, 8), (7, 8, 8)]
MARGINS = [0.3, 0.0, 1.1]
GRPO_LENGTHS = [(5, 6), (5, 3), (3, 8), (3, 5)]
ADVANTAGES = [1.2, -0.7, 0.4, -1.1]
TEMPERATURE = 0.8
DPO_LOSSES = ["sigmoid", "ipo", "hinge"]
REWARD_LOSSES = [{}, {"center_rewards_coefficient": 0.05}, {"margins": True}]
GRPO_LOSSES = [
    {"loss_type": "grpo", "beta": 0.04, "epsilon": 0.2, "epsilon_high": 0.28, "use_bias_correction_kl": False},
    {"loss_type": "grpo", "beta": 0.0, "importance_sampling_level": "sequence", "epsilon": 0.02, "epsilon_high": 0.03},
    {"loss_type": "dapo", "beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.28},
    {"loss_type": "dr_grpo", "beta": 0.0},
    {"loss_type": "cispo", "beta": 0.0, "epsilon_high": 1.2},
    {"loss_type": "grpo", "beta": 0.2, "use_bias_correction_kl": True},
    {"loss_type": "grpo", "beta": 0.0, "delta": 1.1},
    {"loss_type": "grpo", "beta": 0.0, "top_entropy_quantile": 0.5},
    {"loss_type": "grpo", "beta": 0.0, "off_policy_mask_threshold": 0.0},
]
MAX_NEW_TOKENS = 9
SAMPLES = 32

fixtures = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
checkpoint = os.path.join(fixtures, "v3-groups")
LOADED = dict(attn_implementation="eager", dtype=torch.float32)


def word_tokenizer(size):
    """A word for each id; 0 pads and 1 ends, as in the model's configuration."""
    words = {"<pad>": 0, "<end>": 1} | {f"w{i}": i for i in range(2, size)}
    inner = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<end>")


def settings(config, rows, **more):
    """In evaluation no loss is divided by steps of accumulation, and nothing is dropped out."""
    return config(
        output_dir=os.path.join(tempfile.gettempdir(), "fathom-trl"),
        per_device_train_batch_size=rows,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        seed=SEED,
        **more,
    )


def batch_of(trainer):
    """What the trainer's own data loader makes of its records."""
    [batch] = list(trainer.get_train_dataloader())
    return batch


def gradients(model, prefix):
    """The gradients of the last backward."""
    stored = {}
    for name, parameter in model.named_parameters():
        for on_disk, part in disk_tensors(name, parameter.grad).items():
            if not part.any():
                raise SystemExit(f"{prefix}: the gradient of {on_disk} is zero, which proves little: choose another seed")
            flat = part.flatten()
            stride = -(-flat.numel() // SAMPLES)
            figures = torch.stack([flat.norm(), flat.abs().max()])
            stored[f"{prefix}.grad.{on_disk}"] = torch.cat([figures, flat[::stride]])
    return stored


def given(prefix, ids, is_target, lengths):
    fields = {"ids": ids, "is_target": is_target, "lengths": lengths}
    return {f"{prefix}.{name}": tensor.to(torch.int32) for name, tensor in fields.items()}


def supervised(model, tokenizer, text):
    records = [{"prompt": text(prompt), "completion": " " + text(answer)} for prompt, answer in SFT_LENGTHS]
    trainer = SFTTrainer(
        model,
        settings(SFTConfig, len(records)),
        train_dataset=Dataset.from_list(records),
        processing_class=tokenizer,
    )
    trainer.model.eval()
    batch = batch_of(trainer)
    stored = given("sft", batch["input_ids"], batch["labels"] != IGNORED, batch["attention_mask"].sum(-1))
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    return stored | {"sft.loss": loss.detach()[None]} | gradients(trainer.model, "sft")


def preferences(model, reference, tokenizer, pairs):
    stored, losses = {}, []
    for loss_type in DPO_LOSSES:
        trainer = DPOTrainer(
            copy.deepcopy(model),
            copy.deepcopy(reference),
            settings(DPOConfig, len(pairs), beta=BETA, loss_type=loss_type),
            train_dataset=Dataset.from_list(pairs),
            processing_class=tokenizer,
        )
        trainer.model.eval()
        batch = batch_of(trainer)
        loss = trainer.compute_loss(trainer.model, batch)
        losses.append(loss.detach())
        if stored:
            continue
        loss.backward()
        stored |= given("dpo", batch["input_ids"], batch["completion_mask"], batch["attention_mask"].sum(-1))
        stored |= gradients(trainer.model, "dpo")
        for name, of in (("policy", trainer.model), ("reference", trainer.ref_model)):
            stored[f"dpo.{name}"] = torch.cat(trainer.compute_ref_log_probs(of, batch))
    return stored | {"dpo.losses": torch.stack(losses)}


def rewards(tokenizer, pairs, generator):
    scorer = DeepseekV3ForSequenceClassification.from_pretrained(checkpoint, num_labels=1, **LOADED)
    with torch.no_grad():
        scorer.score.weight.copy_(0.2 * torch.randn(scorer.score.weight.shape, generator=generator))
    stored, losses = {"reward.head": scorer.score.weight.detach().clone()[0]}, []
    for options in REWARD_LOSSES:
        options = dict(options)
        has_margins = options.pop("margins", False)
        rows = [pair | {"margin": margin} if has_margins else pair for pair, margin in zip(pairs, MARGINS)]
        trainer = RewardTrainer(
            copy.deepcopy(scorer),
            settings(RewardConfig, len(rows), **options),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        trainer.model.eval()
        batch = batch_of(trainer)
        if has_margins:
            if not torch.equal(batch["input_ids"].to(torch.int32), stored["reward.ids"]):
                raise SystemExit("the trainers put the pairs into another order, and the margins are not theirs")
            stored["reward.margins"] = batch["margin"]
        loss, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
        losses.append(loss.detach())
        if not options:
            continue
        loss.backward()
        lengths = batch["attention_mask"].sum(-1)
        ends = torch.arange(batch["input_ids"].shape[1])[None] == lengths[:, None] - 1
        stored |= given("reward", batch["input_ids"], ends, lengths)
        stored |= {"reward.scores": outputs.logits.detach()[:, 0]} | gradients(trainer.model, "reward")
    return stored | {"reward.losses": torch.stack(losses)}


def policies(model, old, reference, tokenizer, draw):
    prompts = [draw(prompt) for prompt, _ in GRPO_LENGTHS]
    answers = [draw(answer) for _, answer in GRPO_LENGTHS]
    widest = [max(len(each) for each in rows) for rows in (prompts, answers)]

    def padded(rows, width, on_left):
        ids, mask = torch.zeros(2, len(rows), width, dtype=torch.long)
        for row, own in enumerate(rows):
            place = slice(width - len(own), width) if on_left else slice(0, len(own))
            ids[row, place], mask[row, place] = own, 1
        return ids, mask

    prompt_ids, prompt_mask = padded(prompts, widest[0], True)
    completion_ids, completion_mask = padded(answers, widest[1], False)
    inputs = {
        "prompt_ids": prompt_ids,
        "prompt_mask": prompt_mask,
        "completion_ids": completion_ids,
        "completion_mask": completion_mask,
        "advantages": torch.tensor(ADVANTAGES),
        "num_items_in_batch": completion_mask.sum(),
    }

    def trainer_of(policy, options):
        trainer = GRPOTrainer(
            copy.deepcopy(policy),
            lambda completions, **_: [0.0] * len(completions),
            settings(
                GRPOConfig,
                len(prompts),
                num_generations=2,
                temperature=TEMPERATURE,
                max_completion_length=MAX_NEW_TOKENS,
                **options,
            ),
            train_dataset=Dataset.from_list([{"prompt": "w2"}] * len(prompts)),
            processing_class=tokenizer,
        )
        trainer.model.eval()
        return trainer

    def logprobs_of(policy):
        trainer = trainer_of(policy, GRPO_LOSSES[1])
        ids, mask = torch.cat([prompt_ids, completion_ids], 1), torch.cat([prompt_mask, completion_mask], 1)
        with torch.no_grad():
            return trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, completion_ids.shape[1])[0]

    inputs |= {"old_per_token_logps": logprobs_of(old), "ref_per_token_logps": logprobs_of(reference)}
    stored, losses = {}, []
    for options, prefix in zip(GRPO_LOSSES, ["grpo", "gspo"] + [None] * len(GRPO_LOSSES)):
        trainer = trainer_of(model, options)
        loss = trainer.compute_loss(trainer.model, inputs)
        losses.append(loss.detach())
        if prefix:
            loss.backward()
            stored |= gradients(trainer.model, prefix)

    # Side by side and without the padding between them, as the other kinds are stored.
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers)]
    ids = torch.zeros(len(prompts), max(lengths), dtype=torch.long)
    is_target = torch.zeros_like(ids)
    others = {name: torch.zeros(ids.shape) for name in ("old", "reference")}
    for row, (prompt, answer) in enumerate(zip(prompts, answers)):
        place = slice(len(prompt), lengths[row])
        ids[row, : lengths[row]] = torch.cat([prompt, answer])
        is_target[row, place] = 1
        others["old"][row, place] = inputs["old_per_token_logps"][row, : len(answer)]
        others["reference"][row, place] = inputs["ref_per_token_logps"][row, : len(answer)]
    stored |= given("grpo", ids, is_target, torch.tensor(lengths))
    stored |= {f"grpo.{name}": tensor for name, tensor in others.items()}
    return stored | {"grpo.advantages": inputs["advantages"], "grpo.losses": torch.stack(losses)}


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else os.path.join(fixtures, "posttraining")
    torch.use_deterministic_algorithms(True)
    disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    generator = torch.Generator().manual_seed(SEED)
    model = DeepseekV3ForCausalLM.from_pretrained(checkpoint, **LOADED)
    tokenizer = word_tokenizer(model.config.vocab_size)

    def draw(count):
        return torch.randint(2, model.config.vocab_size, (count,), generator=generator)

    def text(count):
        return " ".join(f"w{i}" for i in draw(count).tolist())

    def noisy(scale):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for _, parameter in sorted(other.named_parameters()):
                parameter.mul_(1 + scale * torch.randn(parameter.shape, generator=generator))
        return other

    pairs = [
        {"prompt": text(prompt), "chosen": " " + text(chosen), "rejected": " " + text(rejected)}
        for prompt, chosen, rejected in PAIR_LENGTHS
    ]
    expected = supervised(copy.deepcopy(model), tokenizer, text)
    expected |= preferences(model, noisy(0.1), tokenizer, pairs)
    expected |= rewards(tokenizer, pairs, generator)
    expected |= policies(model, noisy(0.05), noisy(0.1), tokenizer, draw)

    os.makedirs(output, exist_ok=True)
    path = os.path.join(output, "expected.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, path)
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise SystemExit(f"{path}: {size} bytes, at most {MAX_BYTES} belong into a repository")
    for kind in ("sft.loss", "dpo.losses", "reward.losses", "reward.scores", "grpo.losses"):
        print(f"{kind}: {[round(each, 6) for each in expected[kind].tolist()]}")
    print(f"{path}: {size} bytes")


if __name__ == "__main__":
    main()
