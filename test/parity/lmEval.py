"""Writes samples.json: what lm-eval asks a model, hears and scores, example by example. Called by lmEval.mjs.

    python lmEval.py MODEL DATA OUTPUT_DIRECTORY

Data sets are read from DATA, laid out as fathom's --data-dir, instead of the hub; tasks, prompts, filters and scores are lm-eval's own.
Made with lm_eval 0.4.13, torch 2.15.0 and transformers 5.24.0, in float32 on the CPU, one request a batch, answers of 48 tokens at most.
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import datasets
import lm_eval
import torch
import transformers

model, data, output = sys.argv[1:]

# Shots of each task: none, or those of a fixed order.
TASKS = {
    "hellaswag": 0,
    "arc_easy": 0,
    "arc_challenge": 0,
    "piqa": 0,
    "winogrande": 0,
    "mmlu_abstract_algebra": 2,
    "lambada_openai": 0,
    "gsm8k": 0,
    "triviaqa": 0,
    "nq_open": 0,
    "drop": 0,
}


def local(path, name=None, **_):
    folder = os.path.join(data, path)
    if name and os.path.isdir(os.path.join(folder, name)):
        folder = os.path.join(folder, name)
    splits = {}
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), encoding="utf-8") as lines:
            splits[file.removesuffix(".jsonl")] = datasets.Dataset.from_list([json.loads(line) for line in lines])
    return datasets.DatasetDict(splits)


torch.set_num_threads(1)
datasets.load_dataset = local
samples = {}
for task, shots in TASKS.items():
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "dtype": "float32"},
        tasks=[task],
        num_fewshot=shots,
        device="cpu",
        batch_size=1,
        gen_kwargs="max_gen_toks=48",
        bootstrap_iters=0,
        log_samples=True,
    )
    rows = []
    for sample in results["samples"][task]:
        metrics = {key: float(sample[key]) for key in ("acc", "acc_norm", "exact_match", "em", "f1") if key in sample}
        rows.append(
            {
                "doc": sample["doc_id"],
                "filter": sample["filter"],
                "arguments": [list(request) if isinstance(request[1], str) else [request[0]] for request in sample["arguments"]],
                "responses": [[float(r[0]), str(r[1]) == "True"] if isinstance(r, tuple) else r for (r,) in sample["resps"]],
                "metrics": metrics,
            }
        )
    figures = {key: value for key, value in results["results"][task].items() if isinstance(value, float)}
    samples[task] = {"shots": shots, "figures": figures, "samples": rows}

made = {"lm_eval": lm_eval.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
with open(os.path.join(output, "samples.json"), "w", encoding="utf-8") as file:
    json.dump({"madeWith": made, "tasks": samples}, file, ensure_ascii=False, indent=1)
    file.write("\n")
