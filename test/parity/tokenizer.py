"""Our tokenizer against Python `tokenizers` (pip install tokenizers): training, ids, text.

    npm run build && python test/parity/tokenizer.py [--megabytes 20] [--vocab-size 8192] [--files FOLDER]
    python test/parity/tokenizer.py --write-fixture

Trains both on the same source text with the same pre-tokenizer and compares the merges, then loads the files that we
saved and compares ids and decoded text of every document. --write-fixture writes the pieces that the published
pre-tokenizer makes of the texts in fixtures/tokenizerPieces.json, which tokenizer.test.ts reads without Python.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers import Regex

here = os.path.dirname(os.path.abspath(__file__))
fixture = os.path.join(here, "fixtures", "tokenizerPieces.json")


def published_pre_tokenizer():
    punctuation = "!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~"
    stages = [
        "\\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        "[" + punctuation + "][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
        "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    ]
    splits = [pre_tokenizers.Split(Regex(stage), "isolated") for stage in stages]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([*splits, byte_level])


def write_fixture():
    pre_tokenizer = published_pre_tokenizer()
    texts = [case["text"] for case in json.load(open(fixture, encoding="utf8"))]
    cases = [{"text": text, "pieces": [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]} for text in texts]
    with open(fixture, "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def read_texts(folder, most_bytes):
    texts, size = [], 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(root, name)
            if not name.endswith((".js", ".mjs", ".cjs", ".ts", ".md", ".json")) or os.path.getsize(path) > 2_000_000:
                continue
            with open(path, "rb") as file:
                content = file.read()
            try:
                texts.append(content.decode("utf8"))
            except UnicodeDecodeError:
                continue
            size += len(content)
            if size >= most_bytes:
                return texts, size
    return texts, size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--files", default=os.path.join(here, "..", "..", "node_modules"))
    parser.add_argument("--write-fixture", action="store_true")
    options = parser.parse_args()
    if options.write_fixture:
        return write_fixture()

    texts, size = read_texts(options.files, options.megabytes * 1e6)
    texts += [case["text"] for case in json.load(open(fixture, encoding="utf8"))]
    texts += [unit * 1000 for unit in ["a", " ", "9", "=-", "\n", "\U0001f600", "ab "]]
    print(f"{len(texts)} texts, {size / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "texts.json"), "w", encoding="utf8") as file:
            json.dump(texts, file)
        subprocess.run(["node", os.path.join(here, "tokenizer.mjs"), folder, str(options.vocab_size)], check=True)
        ours = Tokenizer.from_file(os.path.join(folder, "tokenizer", "tokenizer.json"))
        saved = json.load(open(os.path.join(folder, "tokenizer", "tokenizer.json"), encoding="utf8"))
        ids = json.load(open(os.path.join(folder, "ids.json")))

    failures = 0
    start = time.time()
    expected = [encoding.ids for encoding in ours.encode_batch(texts, add_special_tokens=False)]
    print(f"tokenizers: encoded in {time.time() - start:.2f} s")
    for text, got, want in zip(texts, ids, expected, strict=True):
        decoded = ours.decode(got, skip_special_tokens=False)
        # Control tokens spelled in a text become tokens there and stay text with us.
        if got != want and not any(token["content"] in text for token in saved["added_tokens"]):
            failures += 1
            print(f"ids differ: {text[:60]!r}")
        if decoded != text:
            failures += 1
            print(f"text differs: {text[:60]!r} {decoded[:60]!r}")

    blank = {**saved, "added_tokens": [], "post_processor": None}
    blank["model"] = {**saved["model"], "vocab": {}, "merges": []}
    reference = Tokenizer.from_str(json.dumps(blank))
    reference.pre_tokenizer = published_pre_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=len(saved["model"]["vocab"]),
        min_frequency=2,
        special_tokens=[token["content"] for token in saved["added_tokens"][:3]],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    start = time.time()
    reference.train_from_iterator(texts, trainer)
    print(f"tokenizers: trained in {time.time() - start:.2f} s")
    model = json.loads(reference.to_str())["model"]
    merges = [" ".join(pair) for pair in model["merges"]]
    if merges != saved["model"]["merges"]:
        failures += 1
        first = next(i for i, (a, b) in enumerate(zip(merges, saved["model"]["merges"])) if a != b)
        print(f"merge {first} differs: expected {merges[first]!r}, got {saved['model']['merges'][first]!r}")
    if model["vocab"] != saved["model"]["vocab"]:
        failures += 1
        print("vocabularies differ")
    print(f"{sum(map(len, ids))} ids, {len(merges)} merges, {failures} differences")
    sys.exit(1 if failures else 0)


main()
