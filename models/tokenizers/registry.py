"""The item tokenizers by name."""

from models.registry import Registry

TOKENIZERS = Registry(
    "item tokenizer",
    {
        "rqvae": "models.tokenizers.rqvae:RQVAE",
        "residual_kmeans": "models.tokenizers.residual_kmeans:ResidualKMeans",
    },
    "docs/how-to/add-a-tokenizer.md",
)
