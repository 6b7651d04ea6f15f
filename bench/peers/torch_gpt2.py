"""The PyTorch side of `cllm bench peers`: a GPT-2 that trains on what it is told.

Started as a child process with the path of a JSON file (what to train); the environment says on how
many threads. Reads one request per line from standard input, answers each with one line of JSON:
  (at the start)    -> {"ready": {facts about this process}} or {"missing": "torch: why"}
  run STEPS FILE    -> {"seconds": S, "losses": [...], "gradient_norms": [...], "peak_bytes": M}
FILE holds STEPS batches of int32, little-endian: tokens [B, T], then targets [B, T]. Needs torch and
nothing else; writes what PyTorch is best at in its version, without changing the mathematics.
"""

import contextlib
import gc
import json
import math
import os
import resource
import sys
import time

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a library prints is no answer


def answer(document):
    answers.write(json.dumps(document) + "\n")
    answers.flush()


try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    answer({"missing": f"torch: {error}"})
    sys.exit(0)


def read_safetensors(path):
    """Tensors by name. The format: u64 length, JSON header, data."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            data = bytearray(end - begin)
            file.seek(start + begin)
            file.readinto(data)
            tensors[name] = torch.frombuffer(data, dtype=torch.float32).view(entry["shape"])
        return tensors


class Gpt2(torch.nn.Module):
    """Pre-norm decoder with learned positions, tanh GELU and a tied head."""

    def __init__(self, folder, T, dropout):
        super().__init__()
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        self.layers, self.heads = config["n_layer"], config["n_head"]
        self.epsilon, self.dropout = config["layer_norm_epsilon"], dropout
        stored = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.weights = torch.nn.ParameterDict()
        for name, tensor in stored.items():
            if tensor.dim() == 2 and ".h." in name:  # stored [in, out], F.linear wants [out, in]
                tensor = tensor.t()
            key = name.removeprefix("transformer.").replace(".", "_")
            self.weights[key] = torch.nn.Parameter(tensor.contiguous().clone())
        future = torch.full((T, T), -math.inf).triu(1)
        self.register_buffer("future", future, persistent=False)
        self.fused_attention = hasattr(F, "scaled_dot_product_attention")

    def pair(self, name):
        return self.weights[name + "_weight"], self.weights[name + "_bias"]

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], *self.pair(name), self.epsilon)

    def drop(self, x):
        return F.dropout(x, self.dropout) if self.dropout > 0 else x

    def attention(self, x, prefix):
        B, T, C = x.shape
        q, k, v = F.linear(x, *self.pair(prefix + "c_attn")).view(B, T, 3, self.heads, -1).unbind(2)
        mix = self.fused_mix if self.fused_attention else self.written_out_mix
        mixed = mix(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return F.linear(mixed.transpose(1, 2).reshape(B, T, C), *self.pair(prefix + "c_proj"))

    def fused_mix(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)

    def written_out_mix(self, q, k, v):
        """Scale and mask go into the product: fewer passes over [T, T] than masked_fill."""
        B, H, T, D = q.shape
        q, k, v = q.reshape(-1, T, D), k.reshape(-1, T, D), v.reshape(-1, T, D)
        scores = torch.baddbmm(self.future, q, k.transpose(1, 2), alpha=1 / math.sqrt(D))
        mixed = self.drop(F.softmax(scores, -1, dtype=scores.dtype)) @ v
        return mixed.view(B, H, T, D)

    def mlp(self, x, prefix):
        hidden = F.gelu(F.linear(x, *self.pair(prefix + "c_fc")), approximate="tanh")
        return F.linear(hidden, *self.pair(prefix + "c_proj"))

    def forward(self, tokens, targets):
        table = self.weights["wte_weight"]
        x = self.drop(F.embedding(tokens, table) + self.weights["wpe_weight"][: tokens.shape[1]])
        for layer in range(self.layers):
            block = f"h_{layer}_"
            x = x + self.drop(self.attention(self.norm(x, block + "ln_1"), block + "attn_"))
            x = x + self.drop(self.mlp(self.norm(x, block + "ln_2"), block + "mlp_"))
        logits = F.linear(self.norm(x, "ln_f"), table)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def finite(values):
    """JSON has no NaN and no infinity."""
    return [value if math.isfinite(value) else None for value in values]


class Job:
    def __init__(self, wanted):
        self.B, self.T = wanted["batch_size"], wanted["context_length"]
        self.model = Gpt2(wanted["model_folder"], self.T, wanted["dropout"])
        self.bf16, self.clip_norm = wanted["precision"] == "bf16", wanted["clip_norm"]
        self.parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in self.parameters if p.dim() > 1]},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=wanted["learning_rate"],
            betas=(wanted["beta1"], wanted["beta2"]),
            eps=wanted["epsilon"],
            weight_decay=wanted["weight_decay"],
            foreach=True,
        )

    def precision(self):
        if self.bf16:
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def step(self, tokens, targets):
        with self.precision():
            loss = self.model(tokens, targets)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item(), norm.item()

    def run(self, steps, path):
        with open(path, "rb") as file:
            data = torch.frombuffer(bytearray(file.read()), dtype=torch.int32)
        batches = data.view(steps, 2, self.B, self.T).long()
        start = time.perf_counter()
        done = [self.step(batch[0], batch[1]) for batch in batches]
        seconds = time.perf_counter() - start
        losses, norms = zip(*done)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {
            "seconds": seconds,
            "losses": finite(losses),
            "gradient_norms": finite(norms),
            "peak_bytes": peak,
        }


def loaded_libraries():
    """Files of the BLAS, OpenMP, oneDNN and allocator libraries that are really in use."""
    marks = ("blas", "blis", "omp.so", "gomp", "iomp", "dnnl", "malloc", "mkl_rt")
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {words[5] for words in map(str.split, maps) if len(words) > 5}
    return sorted(p for p in paths if any(mark in os.path.basename(p) for mark in marks))


def facts(job):
    return {
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in job.parameters),
        "attention": "fused" if job.model.fused_attention else "written out",
        "optimizer": "foreach AdamW",
        "libraries": loaded_libraries(),
    }


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(wanted["seed"])
    job = Job(wanted)
    gc.collect()
    gc.disable()  # nothing here makes cycles
    answer({"ready": facts(job)})
    for line in sys.stdin:
        _, steps, path = line.rstrip("\n").split(" ", 2)
        answer(job.run(int(steps), path))


main()
