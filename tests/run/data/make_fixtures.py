"""Writes the files of this folder: data as NumPy and PyTorch save it, and what is in it.

    python make_fixtures.py numpy   # with numpy 2.4.6
    python make_fixtures.py torch   # with torch 1.13.0, numpy 1.24.2

The tensors are those of the FAMLE reference implementation (resibots/kaushik_2020_famle,
`Embedding_NN.save`), in tiny sizes.
"""

import collections
import json
import sys

import numpy as np


def row(rng):
    return [rng.normal(size=3), rng.normal(size=2), rng.normal(size=3), -rng.uniform()]


def plain(rows):
    return [[list(map(float, r[0])), list(map(float, r[1])), list(map(float, r[2])), float(r[3])]
            for r in rows]


def object_array(rows):
    out = np.empty((len(rows), 4), dtype=object)
    for n, r in enumerate(rows):
        for i, value in enumerate(r):
            out[n, i] = value
    return out


def write_numpy(rng):
    block = rng.normal(size=(2, 3, 4))
    np.save("float64.npy", block)
    np.save("float32_fortran.npy", np.asfortranarray(block.astype("<f4")))
    np.save("int64_big_endian.npy", np.array([[1, -2, 3], [2**40, 5, -6]], dtype=">i8"))
    np.save("float64_big_endian_fortran.npy", np.asfortranarray(block[0].astype(">f8")))
    np.save("bool.npy", np.array([True, False, True]))
    np.save("number.npy", np.float64(2.5))
    np.save("records.npy", np.zeros(2, dtype=[("a", "<f8"), ("b", "<i4")]))
    np.savez_compressed("arrays.npz", block=block, counts=np.arange(5, dtype="<i4"))
    # situations with different numbers of rows
    situations = [[row(rng) for _ in range(n)] for n in (2, 4, 3)]
    ragged = np.empty(3, dtype=object)
    for i, rows in enumerate(situations):
        ragged[i] = object_array(rows)
    np.save("trajectories_ragged.npy", ragged)
    lists = np.empty(3, dtype=object)
    for i, rows in enumerate(situations):
        lists[i] = rows
    np.save("trajectories_lists.npy", lists)
    # an online run: one situation
    np.save("trajectories_online.npy", object_array(situations[1]))
    with open("expected_numpy.json", "w") as file:
        json.dump({"block": block.tolist(), "situations": [plain(r) for r in situations]}, file)


def write_torch(rng):
    import torch

    torch.manual_seed(3)
    situations = [[row(rng) for _ in range(4)] for _ in range(3)]
    # the original's way: an array of arrays of objects
    stacked = np.array([object_array(rows) for rows in situations])
    assert stacked.shape == (3, 4, 4)
    np.save("trajectories.npy", stacked)
    mismatches = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, -1.0]])
    np.save("mismatches.npy", mismatches)

    state = collections.OrderedDict()
    state["embeddings.weight"] = torch.randn(3, 2)
    sizes = [5 + 2, 4, 3]
    for i in range(2):
        layer = torch.nn.Linear(sizes[i], sizes[i + 1])
        state[f"Layers.{i}.weight"] = layer.weight.detach()
        state[f"Layers.{i}.bias"] = layer.bias.detach()
    last = torch.nn.Linear(3, 3)
    state["fcout.weight"], state["fcout.bias"] = last.weight.detach(), last.bias.detach()
    # torch.nn.Module.state_dict() has this attribute too
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    others = {
        "data_mean_input": torch.randn(5),
        "data_std_input": torch.rand(5),
        "data_mean_output": torch.randn(3),
        "data_std_output": torch.rand(3),
        "fixed_task_id": None,
    }
    kwargs = {
        "dim_in": 5, "hidden": [4, 3], "dim_out": 3, "embedding_dim": 2, "num_tasks": 3,
        "CUDA": False, "SEED": None, "output_limit": 10.0, "dropout": 0.0,
        "hidden_activation": "relu",
    }
    model = {"kwargs": kwargs, "state_dict": state, "others": others}
    torch.save(model, "famle_model.pt")
    torch.save(model, "famle_model_legacy.pt", _use_new_zipfile_serialization=False)
    tag = torch.serialization.location_tag
    torch.serialization.location_tag = lambda storage: "cuda:0"
    torch.save(model, "famle_model_cuda.pt")
    torch.serialization.location_tag = tag

    block = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    torch.save({
        "transposed": block.t(),
        "window": block[1:, 1::2],
        "expanded": block[:, :1].expand(3, 2),
        "float64": torch.tensor([0.1, 0.2], dtype=torch.float64),
        "int64": torch.tensor([[1, -2]]),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "parameter": torch.nn.Parameter(torch.tensor([1.5])),
        "numpy": np.array([[1.0, 2.0]]),
        "numpy_number": np.float64(0.25),
        "plain": [1, -1, 2**40, -2**70, True, None, "\u00e9", (1.5, {"a": 1})],
    }, "tensors.pt")
    torch.save({"half": torch.zeros(2, dtype=torch.float16)}, "half.pt")

    def tensors(values):
        return {name: tensor.tolist() for name, tensor in values.items() if tensor is not None}

    with open("expected_torch.json", "w") as file:
        json.dump({
            "situations": [plain(r) for r in situations],
            "mismatches": mismatches.tolist(),
            "state_dict": tensors(state),
            "others": tensors(others),
        }, file)


if __name__ == "__main__":
    {"numpy": write_numpy, "torch": write_torch}[sys.argv[1]](np.random.default_rng(1))
