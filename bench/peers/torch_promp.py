"""The objective of ProMP and MMAML in PyTorch, with its autodiff, beside bench/parts/meta_gradient.ts.

One meta-gradient: all inner steps again from the current parameters (create_graph, so second order
is exact), then backward through all of it. Formulas: docs/algorithms.md. Tasks are batched; `chunk`
of them share one graph, and gradients of chunks add up.

Talks by lines of JSON on standard input and output:

    {"do": "load", "folder": F, "chunk": C}  data as bench/meta_case.ts writes them
    {"do": "gradient"}                       -> {"seconds": s, "processorSeconds": p}
    {"do": "write", "folder": F}             gradients of policy and encoder as raw float32 files
    {"do": "memory"}                         -> {"peak": bytes}
"""

import json

import torch
from torch import Tensor

from lines import serve, timed


class Case:
    """Data and parameters of one case; axes: M tasks, N samples of one, T steps of a rollout."""

    def __init__(self, folder: str, chunk: int) -> None:
        with open(f"{folder}/case.json") as file:
            self.head = json.load(file)
        head = self.head
        self.chunk = min(chunk, head["tasks"])
        self.inner_steps = head["innerSteps"]
        tasks, count = head["tasks"], head["rollouts"] * head["steps"]
        obs_dim, act_dim = head["obsDim"], head["actDim"]

        def read(name: str, *shape: int) -> Tensor:
            with open(f"{folder}/{name}.f32", "rb") as file:
                return torch.frombuffer(bytearray(file.read()), dtype=torch.float32).view(shape)

        widths = {"obs": obs_dim, "actions": act_dim, "oldMean": act_dim, "oldLogStd": act_dim}
        self.steps = [
            {name: read(f"{name}{k}", tasks, count, width) for name, width in widths.items()}
            | {"advantages": read(f"advantages{k}", tasks, count)}
            for k in range(self.inner_steps + 1)
        ]
        self.policy = read("policy", -1).requires_grad_()
        self.encoder = None
        if head["algorithm"] == "mmaml":
            self.encoder = read("encoder", -1).requires_grad_()
            rows = (tasks, head["rollouts"], head["steps"], obs_dim + act_dim + 1)
            self.sequences = read("sequences", *rows)


def split(flat: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Named tensors of a flat parameter vector, in the order of memory."""
    sizes = [torch.Size(shape).numel() for shape in shapes]
    return [part.view(shape) for part, shape in zip(flat.split(sizes), shapes)]


def policy_shapes(head: dict) -> list[tuple[int, ...]]:
    widths = [head["obsDim"], head["hidden"], head["hidden"], head["actDim"]]
    shapes: list[tuple[int, ...]] = []
    for inputs, outputs in zip(widths, widths[1:]):
        shapes += [(inputs, outputs), (outputs,)]
    return shapes + [(head["actDim"],)]


def encoder_shapes(head: dict) -> list[tuple[int, ...]]:
    cells = head["cells"]
    inputs = head["obsDim"] + head["actDim"] + 1
    mlp = [(cells, cells), (cells,)] * 4
    out = 2 * head["hidden"]
    return [(inputs, 3 * cells), (cells, 3 * cells), (3 * cells,), *mlp, (cells, out), (out,)]


def means(params: list[Tensor], gamma: Tensor | None, obs: Tensor) -> Tensor:
    """[M, N, A] of an MLP with weights [M, I, O] and biases [M, O]; FiLM with gamma + 1."""
    x = obs
    layers = len(params) // 2
    at = 0
    for layer in range(layers):
        weights, bias = params[2 * layer], params[2 * layer + 1]
        x = torch.baddbmm(bias.unsqueeze(1), x, weights)
        if layer == layers - 1:
            return x
        if gamma is not None:
            width = x.shape[-1]
            x = x * (gamma[:, at : at + width].unsqueeze(1) + 1)
            at += width
        x = torch.tanh(x)
    raise ValueError("a policy needs a layer")


def ratio_and_kl(
    mean: Tensor, log_std: Tensor, data: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """[M, N] likelihood ratio; [M] mean KL(old || current)."""
    log_std = log_std.unsqueeze(1)
    old_mean, old_log_std = data["oldMean"], data["oldLogStd"]
    z = (data["actions"] - mean) * torch.exp(-log_std)
    z_old = (data["actions"] - old_mean) * torch.exp(-old_log_std)
    ratio = torch.exp((old_log_std - log_std + 0.5 * (z_old * z_old - z * z)).sum(-1))
    variance, old_variance = torch.exp(2 * log_std), torch.exp(2 * old_log_std)
    numerator = (old_mean - mean) ** 2 + old_variance - variance
    kl = (numerator / (2 * variance + 1e-8) + log_std - old_log_std).sum(-1).mean(-1)
    return ratio, kl


def modulation(params: list[Tensor], sequences: Tensor) -> Tensor:
    """[M, D] of sequences [M, R, T, I]: GRU (reset before the product), mean over rollouts."""
    kernel, recurrent, bias, *rest = params
    tasks, rollouts, steps, _ = sequences.shape
    cells = recurrent.shape[0]
    # one buffer per step: slices of one buffer would each get a gradient of its whole size
    inputs = (sequences.reshape(tasks * rollouts, steps, -1) @ kernel + bias).unbind(1)
    gates, candidate = recurrent[:, : 2 * cells], recurrent[:, 2 * cells :]
    h = sequences.new_zeros(tasks * rollouts, cells)
    for x in inputs:
        update, reset = (
            (0.2 * (x[:, : 2 * cells] + h @ gates) + 0.5).clamp(0, 1).split(cells, dim=1)
        )
        proposal = torch.tanh(x[:, 2 * cells :] + (reset * h) @ candidate)
        h = update * h + (1 - update) * proposal
    h = torch.relu(h @ rest[0] + rest[1]) @ rest[2] + rest[3]
    pooled = h.view(tasks, rollouts, cells).sum(1) / rollouts
    embedding = torch.relu(pooled @ rest[4] + rest[5]) @ rest[6] + rest[7]
    return embedding @ rest[8] + rest[9]


def chunk_loss(case: Case, first: int, last: int) -> Tensor:
    """Sum of the objective over the tasks first .. last-1, divided by the number of all tasks."""
    head = case.head
    tasks = last - first
    theta = split(case.policy, policy_shapes(head))
    params = [part.expand(tasks, *part.shape) for part in theta]
    gamma = None
    if case.encoder is not None:
        encoder = split(case.encoder, encoder_shapes(head))
        gamma = modulation(encoder, case.sequences[first:last])
    penalty = case.policy.new_zeros(())
    for k, step in enumerate(case.steps):
        data = {name: values[first:last] for name, values in step.items()}
        log_std = params[-1].clamp(min=-13.8) if k == 0 else params[-1]
        mean = means(params[:-1], None if k == 0 else gamma, data["obs"])
        ratio, kl = ratio_and_kl(mean, log_std, data)
        if k == case.inner_steps:
            clipped = ratio.clamp(1 - head["clipEps"], 1 + head["clipEps"])
            outer = torch.minimum(ratio * data["advantages"], clipped * data["advantages"])
            return (penalty / case.inner_steps - outer.mean(-1).sum()) / head["tasks"]
        surrogate = -(ratio * data["advantages"]).mean(-1).sum()
        grads = torch.autograd.grad(surrogate, params, create_graph=True)
        params = [part - head["innerLr"] * grad for part, grad in zip(params, grads)]
        penalty = penalty + head["klCoeff"][k] * kl.sum()
    raise ValueError("there is no outer step")


def meta_gradient(case: Case) -> None:
    for leaf in (case.policy, case.encoder):
        if leaf is not None:
            leaf.grad = None
    for first in range(0, case.head["tasks"], case.chunk):
        chunk_loss(case, first, min(first + case.chunk, case.head["tasks"])).backward()


def peak_memory(_case: Case | None, _ask: dict) -> dict:
    """Largest resident size of this process so far, bytes."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return {"peak": int(line.split()[1]) * 1024}


def gradient(case: Case, _ask: dict) -> dict:
    return timed(lambda: meta_gradient(case))


def write(case: Case, ask: dict) -> dict:
    for name, leaf in (("policy", case.policy), ("encoder", case.encoder)):
        if leaf is not None:
            with open(f"{ask['folder']}/{name}_gradient.f32", "wb") as file:
                file.write(leaf.grad.contiguous().numpy().tobytes())
    return {}


if __name__ == "__main__":
    serve(
        lambda ask: Case(ask["folder"], ask["chunk"]),
        {"gradient": gradient, "write": write, "memory": peak_memory},
    )
