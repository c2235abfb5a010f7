"""The CTR models by name."""

from models.registry import Registry

MODELS = Registry(
    "CTR model",
    {
        "din": "models.ctr.din:DIN",
        "daian": "models.ctr.daian:DAIAN",
    },
    "docs/how-to/add-a-model.md",
)
