"""Writes expected.json: what lm-eval asks and how it scores canned answers, task by task and without a model. Called by lmEvalPrompts.mjs.

    python lmEvalPrompts.py FIXTURES OURS

FIXTURES holds data/, laid out as fathom's --data-dir, and cases.json: for each of our tasks the number of shots, the answers that stand in
for a model's (log-likelihoods of the choices, or a text, document by document) and lm-eval's name of the task where it is another one. OURS
is a file of what only our tasks know: worked examples of our own, which take the place of lm-eval's, and the order of drawn choices.
Everything else is lm-eval's own: documents, prompts, continuations, settings, filters and scores. Programs are not run; those that a
metric would have run are written down. Shots that would be drawn at random are the first of their split.

Made with lm_eval 0.4.13, datasets 5.0.0, math-verify 0.9.0, sympy 1.14.0, antlr4-python3-runtime 4.11.1 and langdetect 1.0.9.
"""

import csv
import json
import os
import random
import sys
import types

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import datasets
import nltk

fixtures, ours = sys.argv[1:]
with open(ours, encoding="utf-8") as file:
    OURS = json.load(file)
with open(os.path.join(fixtures, "cases.json"), encoding="utf-8") as file:
    CASES = json.load(file)


def local(path, name=None, **_):
    """Stands for datasets.load_dataset: all splits that a folder has."""
    folder = os.path.join(fixtures, "data", path)
    if name and os.path.isdir(os.path.join(folder, name)):
        folder = os.path.join(folder, name)
    splits = {}
    for entry in sorted(os.listdir(folder)):
        split, kind = os.path.splitext(entry)
        with open(os.path.join(folder, entry), encoding="utf-8", newline="") as lines:
            if kind == ".csv":
                rows = list(csv.DictReader(lines))
                split = "train"
            else:
                rows = [json.loads(line) for line in lines]
        splits[split] = datasets.Dataset.from_list(rows)
    return datasets.DatasetDict(splits)


class CodeEval:
    """Stands for the metric code_eval: writes down what it would run. lm-eval tries it with a sum when it loads a task."""

    programs = []

    def compute(self, references, predictions, k):
        for reference, candidates in zip(references, predictions):
            CodeEval.programs.extend(f"{candidate}\n{reference}" for candidate in candidates)
        figures = {f"pass@{each}": 0.0 for each in k}
        return figures, {}


class InOurOrder(random.Random):
    """Puts a question's choices into the order that our task gives them; anything else stays as it is."""

    def shuffle(self, choices):
        for order in OURS["orders"]:
            if sorted(order) == sorted(choices):
                choices[:] = order


sys.modules["evaluate"] = types.SimpleNamespace(load=lambda *_, **__: CodeEval())
datasets.load_dataset = local
# No rule of the fixture looks at sentences.
nltk.data.find = lambda *_, **__: None
random.Random = InOurOrder
random.shuffle = InOurOrder().shuffle

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml


class Canned(LM):
    """Answers by the number of the document and, of choices, of the choice."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def loglikelihood(self, requests):
        return [(float(self.answers[each.doc_id][each.idx]), False) for each in requests]

    def loglikelihood_rolling(self, requests):
        return [float(self.answers[each.doc_id][0]) for each in requests]

    def generate_until(self, requests):
        return [self.answers[each.doc_id] for each in requests]


def metrics_of(sample):
    """Scores by metric, but for those that are parts of sums, and math_verify, which is another judge's."""
    values = {name: sample[name] for name in sample["metrics"] if name in sample and name != "math_verify"}
    return {
        name: [bool(each) for each in value] if isinstance(value, list) else float(value)
        for name, value in values.items()
        if not isinstance(value, (tuple, dict))
    }


def expected(name, case, manager):
    theirs = case.get("theirs", name)
    entry = manager.task_index[theirs]
    config = {"num_fewshot": case["shots"]}
    if name in OURS["samples"]:
        config["fewshot_config"] = {"sampler": "first_n", "samples": OURS["samples"][name]}
    elif case["shots"] > 0:
        given = load_yaml(entry.yaml_path).get("fewshot_config") or {}
        config["fewshot_config"] = {**given, "sampler": "first_n"}
    task = manager._factory.build(entry, overrides=config, registry=manager.task_index)
    CodeEval.programs.clear()
    # CRUXEval has a runner of its own.
    for module in [each for key, each in sys.modules.items() if key.endswith("tasks.cruxeval.utils")]:
        module.check_correctness = lambda *_, **__: False
    results = lm_eval.simple_evaluate(
        model=Canned(case["answers"]),
        tasks=[task],
        task_manager=manager,
        bootstrap_iters=0,
        log_samples=True,
        confirm_run_unsafe_code=True,
    )
    docs = {}
    for sample in sorted(results["samples"][theirs], key=lambda each: each["doc_id"]):
        doc = docs.setdefault(sample["doc_id"], {"arguments": sample["arguments"], "scores": {}})
        metrics = {} if task.config.unsafe_code else metrics_of(sample)
        if metrics:
            doc["scores"][sample["filter"]] = metrics
    asked = [doc["arguments"] for doc in docs.values()]
    contexts = [[request[0] for request in requests] for requests in asked]
    # What all prompts begin with is written once.
    start = os.path.commonprefix([context for each in contexts for context in each])
    out = {"start": start, "docs": []}
    if theirs != name:
        out["theirs"] = theirs
    for requests, doc in zip(asked, docs.values()):
        ends = list(dict.fromkeys(request[0][len(start) :] for request in requests))
        entry = {"contexts": ends}
        kinds = {type(request[1]) for request in requests if len(request) > 1}
        if kinds == {str}:
            entry["continuations"] = list(dict.fromkeys(request[1] for request in requests))
        elif kinds == {dict}:
            out["settings"] = requests[0][1]
        if doc["scores"]:
            entry["scores"] = doc["scores"]
        out["docs"].append(entry)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        figures = results["results"][theirs]
        out["figures"] = {key: value for key, value in figures.items() if isinstance(value, float)}
    if CodeEval.programs:
        out["programs"] = list(CodeEval.programs)
    return out


def described(manager, folder, prefix="", suffix=""):
    """Data set, its configuration and the description of all tasks in a folder of lm-eval's."""
    found = {}
    for name in manager.all_subtasks:
        path = manager.task_index[name].yaml_path
        if path is None or not path.parent.as_posix().endswith(f"/tasks/{folder}"):
            continue
        if name.startswith(prefix) and name.endswith(suffix):
            config = load_yaml(path, resolve_func=False)
            found[name] = [config["dataset_path"], config.get("dataset_name"), config.get("description")]
    return found


manager = TaskManager()
tasks = {name: expected(name, case, manager) for name, case in CASES.items()}
families = {
    "mmlu": described(manager, "mmlu/default"),
    "mmlu_redux": described(manager, "mmlu-redux/generative"),
    "mmlu_pro": described(manager, "mmlu_pro"),
    # Of 798 tasks all languages of one subject, and all subjects of one language.
    "mmmlu": {
        **described(manager, "openai-mmmlu/default", suffix="_virology"),
        **described(manager, "openai-mmmlu/default", prefix="mmmlu_sw_ke_"),
    },
    "ceval-valid": described(manager, "ceval"),
    "cmmlu": described(manager, "cmmlu"),
    "bbh": described(manager, "bbh/cot_fewshot"),
    "longbench2": described(manager, "longbench2"),
    "agieval": described(manager, "agieval"),
    "minerva_math": described(manager, "minerva_math"),
    "hendrycks_math": described(manager, "hendrycks_math"),
    "mgsm": {
        **described(manager, "mgsm/native_cot"),
        **described(manager, "mgsm/en_cot"),
        **described(manager, "mgsm/direct"),
    },
}


def lines(table):
    """JSON with one entry a line."""
    rows = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    return "{\n" + ",\n".join(rows) + "\n}"


with open(os.path.join(fixtures, "expected.json"), "w", encoding="utf-8") as file:
    file.write(f'{{"madeWith": {json.dumps(lm_eval.__version__)},\n"tasks": {lines(tasks)},\n"families": {lines(families)}}}\n')
