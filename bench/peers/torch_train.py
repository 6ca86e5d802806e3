"""Training speed of plain PyTorch on the CPU, the peer of `fathom bench train`.

    python bench/peers/torch_train.py small --threads 2 --steps 5 --mode all

Trains the preset (shapes from configs/) on random tokens, 4,096 a step in sequences of the preset's positions:
forward, backward, clipping at norm 1, AdamW (betas 0.9 and 0.95, weight decay 0.1, PyTorch's fused update). Modes:
eager (float32), bf16 (autocast), compile (float32, torch.compile of attention, dense and expert parts; the routing,
whose shapes follow the data, stays eager). Each mode runs in a process of its own, so that its peak memory is its
own. Prints one JSON object per mode, a line each, and at last the fastest as {"best": ...}. A mode that fails is
reported with its reason; the exit status is 1 if all fail. tokensPerSecond is the median over the counted steps.

With --serve it prints {"ready": true, ...} after the warm-up of one mode and then runs a step for each line of standard
input, answered with {"seconds": s}: `fathom bench train --peer` takes turns with it, step by step.

Needs `pip install torch numpy`; compile also a C++ compiler.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

modes = ["eager", "bf16", "compile"]
tokens_per_step = 4096


def compile_parts(model):
    import torch

    # One compiled variant per kind and width of part, and per whether its row count is fixed.
    torch._dynamo.config.recompile_limit = 64
    from torch_model import Attention, Mlp, Moe

    for module in model.modules():
        if isinstance(module, Attention):
            module.compile(dynamic=False)
        elif isinstance(module, Moe):
            for expert in module.experts:
                expert.compile(dynamic=True)
            module.shared_experts.compile(dynamic=False)
    for block in model.model.layers:
        if isinstance(block.mlp, Mlp):
            block.mlp.compile(dynamic=False)


def training(preset, mode, threads):
    """A function that trains on one more batch and returns (seconds, loss), and the torch it runs on."""
    import torch
    from torch_model import CausalLm, adamw, read_config

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    config = read_config(preset)
    model = CausalLm(config)
    if mode == "compile":
        compile_parts(model)
    optimizer = adamw(model, 3e-4, (0.9, 0.95), 1e-8, 0.1, fused=True)
    length = config["max_position_embeddings"]

    def step():
        tokens = torch.randint(0, config["vocab_size"], (tokens_per_step // length, length + 1))
        begun = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode == "bf16"):
            loss = model(tokens)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = loss.item()
        return time.perf_counter() - begun, value

    return step, torch


def serve(preset, mode, threads, warmup):
    step, torch = training(preset, mode, threads)
    for _ in range(warmup):
        step()
    print(json.dumps({"ready": True, "mode": mode, "threads": threads, "version": torch.__version__}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"seconds": step()[0]}), flush=True)


def measure(preset, mode, threads, steps, warmup):
    step, torch = training(preset, mode, threads)
    seconds, losses = [], []
    for index in range(warmup + steps):
        elapsed, loss = step()
        seconds.append(elapsed)
        losses.append(loss)
        print(f"{preset} {mode} step {index}: loss {loss:.4f}, {elapsed:.3f} s", file=sys.stderr, flush=True)
    counted = seconds[warmup:]
    return {
        "preset": preset,
        "mode": mode,
        "threads": threads,
        "tokensPerSecond": tokens_per_step / statistics.median(counted),
        "stepSeconds": counted,
        "losses": losses,
        "peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
    }


def measure_apart(mode, options):
    """The mode in a process of its own: its result, or {"mode", "error"}."""
    command = [sys.executable, __file__, options.preset, "--mode", mode, "--threads", str(options.threads)]
    command += ["--steps", str(options.steps), "--warmup", str(options.warmup), "--here"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sys.stderr.write(run.stderr)
    if run.returncode != 0:
        lines = run.stderr.strip().splitlines()
        return {"preset": options.preset, "mode": mode, "error": lines[-1] if lines else f"exit {run.returncode}"}
    return json.loads(run.stdout)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer from 1, found {text}")
    return value


def main():
    parser = argparse.ArgumentParser(description="Training speed of plain PyTorch on the CPU.")
    parser.add_argument("preset", choices=["small", "middle"])
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--steps", type=positive, default=5, help="steps that count")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them")
    parser.add_argument("--mode", choices=[*modes, "all"], default="all")
    parser.add_argument("--here", action="store_true", help="measure one mode in this process and print its result")
    parser.add_argument("--serve", action="store_true", help="run steps of one mode as standard input asks for them")
    options = parser.parse_args()
    if options.serve:
        if options.mode == "all":
            parser.error("--serve takes one mode")
        serve(options.preset, options.mode, options.threads, options.warmup)
        return 0
    if options.here:
        if options.mode == "all":
            parser.error("--here takes one mode")
        print(json.dumps(measure(options.preset, options.mode, options.threads, options.steps, options.warmup)))
        return 0
    results = []
    for mode in modes if options.mode == "all" else [options.mode]:
        results.append(measure_apart(mode, options))
        print(json.dumps(results[-1]), flush=True)
    worked = [result for result in results if "error" not in result]
    if not worked:
        return 1
    print(json.dumps({"best": max(worked, key=lambda result: result["tokensPerSecond"])}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
