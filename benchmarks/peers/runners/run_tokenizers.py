"""Residual quantisers of other libraries: vector-quantize-pytorch and faiss."""

import json
import resource
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

LEVELS, CODES, LATENT = 3, 256, 32
BATCH, STEPS = 1024, 1000


def residual_vq(train: np.ndarray, seed: int) -> Any:
    """Train an MLP autoencoder around ResidualVQ and return what encodes and decodes.

    The shape of TIGER-style code: hidden 512, 256, 128, latent 32, k-means start, EMA codebooks,
    dead codes replaced, β 0.25.
    """
    from vector_quantize_pytorch import ResidualVQ

    torch.manual_seed(seed)
    width = train.shape[1]
    sizes = (width, 512, 256, 128, LATENT)
    encoder, decoder = _mlp(sizes), _mlp(sizes[::-1])
    quantiser = ResidualVQ(
        dim=LATENT, num_quantizers=LEVELS, codebook_size=CODES, kmeans_init=True, kmeans_iters=20,
        threshold_ema_dead_code=1, commitment_weight=0.25,
    )  # fmt: skip
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(parameters, 1e-3, weight_decay=0.0)
    values = torch.from_numpy(train)
    scale = values.std(0).pow(2).sum().sqrt()
    mean = values.mean(0)
    scaled = (values - mean) / scale
    for _ in range(STEPS):
        batch = scaled[torch.randint(len(scaled), (min(BATCH, len(scaled)),))]
        quantised, _, commitment = quantiser(encoder(batch))
        loss = (decoder(quantised) - batch).pow(2).sum(1).mean() + commitment.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for module in (encoder, decoder, quantiser):
        module.eval()

    @torch.no_grad()
    def code(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = (torch.from_numpy(rows) - mean) / scale
        quantised, codes, _ = quantiser(encoder(scaled))
        return codes.numpy(), (decoder(quantised) * scale + mean).numpy()

    return code


def faiss_residual(train: np.ndarray, seed: int) -> Any:
    """Train faiss' ResidualQuantizer, beam search included, and return what encodes and decodes."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    mean = train.mean(0)
    quantiser = faiss.ResidualQuantizer(train.shape[1], LEVELS, 8)
    quantiser.cp.seed = seed
    quantiser.train(np.ascontiguousarray(train - mean))

    def code(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes = quantiser.compute_codes(np.ascontiguousarray(rows - mean))
        return codes.astype(np.int64), quantiser.decode(codes) + mean

    return code


def main() -> None:
    """Do the job in the file named on the command line."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(job["threads"])
    train, rest = (np.load(job[name], allow_pickle=False) for name in ("train", "rest"))
    kind = {"vector-quantize-pytorch": residual_vq, "faiss": faiss_residual}[job["library"]]
    began = _cpu_seconds()
    code = kind(train, job["seed"])
    seconds = _cpu_seconds() - began
    codes, reconstruction = code(np.concatenate([train, rest]))
    np.savez(job["out"], codes=codes, reconstruction=reconstruction, seconds=seconds)


def _mlp(sizes: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
