"""FAMLE's dynamics model in PyTorch, beside bench/parts/famle.ts: planning, meta-training, adapting.

Talks by lines of JSON on standard input and output:

    {"do": "load", "folder": F}   a case as bench/dynamics_case.ts writes it
    {"do": "run"}                 -> {"seconds": s, "processorSeconds": p}
    {"do": "write", "folder": F}  result of the last run: returns, losses or errors, raw float32
"""

import json

import torch
from torch import Tensor, nn

from lines import serve, timed


class Model(nn.Module):
    """MLP on the input and the embedding of a situation."""

    def __init__(self, spec: dict, flat: Tensor) -> None:
        super().__init__()
        self.activation = torch.tanh if spec["activation"] == "tanh" else torch.relu
        self.limit = spec["outputLimit"]
        inputs = spec["inputDim"] + spec["embeddingDim"]
        widths = [inputs, *spec["hiddenSizes"], spec["outputDim"]]
        count = spec["situations"] * spec["embeddingDim"]
        self.embeddings = nn.Embedding(spec["situations"], spec["embeddingDim"])
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        with torch.no_grad():
            self.embeddings.weight.copy_(flat[:count].view_as(self.embeddings.weight))
            for layer in self.layers:
                size = layer.weight.numel()
                weights = flat[count : count + size]
                layer.weight.copy_(weights.view(layer.in_features, layer.out_features).t())
                count += size
                layer.bias.copy_(flat[count : count + layer.out_features])
                count += layer.out_features

    def forward(self, inputs: Tensor, situations: Tensor) -> Tensor:
        x = torch.cat([inputs, self.embeddings(situations)], dim=1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        x = self.layers[-1](x)
        return x if self.limit is None else torch.tanh(x) * self.limit


class Case:
    def __init__(self, folder: str) -> None:
        with open(f"{folder}/case.json") as file:
            self.head = json.load(file)
        self.folder = folder
        self.spec = self.head["spec"]
        self.params = self.read("params", torch.float32)
        self.model = Model(self.spec, self.params)
        self.situation = torch.tensor(self.head["situation"])
        self.result = torch.empty(0)
        if "horizon" in self.head:
            self.run = self.plan
            inputs, outputs = self.spec["inputDim"], self.spec["outputDim"]
            parts = self.read("normalizer", torch.float32)
            self.normalizer = parts.split([inputs, inputs, outputs, outputs])
            self.state = self.read("state", torch.float32)
            self.low, self.high = self.read("bounds", torch.float32).view(2, outputs)
            shape = (self.head["count"], self.head["horizon"], inputs - outputs)
            self.sequences = self.read("sequences", torch.float32).view(shape)
            self.goal = torch.tensor(self.head["goal"])
        else:
            self.run = self.reptile if self.head["kind"] == "reptile" else self.adapt
            rows = self.head["rows"]
            self.inputs = self.read("inputs", torch.float32).view(rows, -1)
            self.targets = self.read("targets", torch.float32).view(rows, -1)
            order = self.read("order", torch.int32).long()
            self.order = order.view(self.head["updates"], self.head["batchSize"])

    def read(self, name: str, dtype: torch.dtype) -> Tensor:
        with open(f"{self.folder}/{name}.bin", "rb") as file:
            return torch.frombuffer(bytearray(file.read()), dtype=dtype)

    @torch.no_grad()
    def plan(self) -> None:
        """Returns of all candidate sequences."""
        count, horizon, _ = self.sequences.shape
        mean_in, std_in, mean_out, std_out = self.normalizer
        situations = self.situation.expand(count)
        states = self.state.expand(count, -1)
        returns = torch.zeros(count)
        for step in range(horizon):
            inputs = (torch.cat([states, self.sequences[:, step]], dim=1) - mean_in) / std_in
            change = self.model(inputs, situations) * std_out + mean_out
            states = torch.minimum(torch.maximum(states + change, self.low), self.high)
            distance = ((states[:, -2:] - self.goal) ** 2).sum(1)
            returns += self.head["discount"] ** step * torch.exp(-distance)
        self.result = returns

    def train(self, optimizer: torch.optim.Optimizer) -> None:
        losses = []
        for rows in self.order:
            situations = self.situation.expand(len(rows))
            error = self.model(self.inputs[rows], situations) - self.targets[rows]
            loss = (error**2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        self.result = torch.stack(losses)

    def reptile(self) -> None:
        """SGD from the current parameters, then a step towards where it ended."""
        before = [part.detach().clone() for part in self.model.parameters()]
        self.train(torch.optim.SGD(self.model.parameters(), lr=self.head["sgdLr"]))
        with torch.no_grad():
            for part, start in zip(self.model.parameters(), before):
                part.copy_(start + self.head["reptileStep"] * (part - start))

    def adapt(self) -> None:
        """Adam from the meta-trained parameters."""
        self.model = Model(self.spec, self.params)
        adam = self.head["adam"]
        betas = (adam["beta1"], adam["beta2"])
        self.train(
            torch.optim.Adam(
                self.model.parameters(), lr=adam["lr"], betas=betas, eps=adam["epsilon"]
            )
        )


def run(case: Case, _ask: dict) -> dict:
    return timed(case.run)


def write(case: Case, ask: dict) -> dict:
    with open(f"{ask['folder']}/result.f32", "wb") as file:
        file.write(case.result.contiguous().numpy().tobytes())
    return {}


if __name__ == "__main__":
    serve(lambda ask: Case(ask["folder"]), {"run": run, "write": write})
