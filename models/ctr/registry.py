"""The CTR models by name."""

from models.registry import Registry

MODELS = Registry(
    "CTR model",
    {
        "din": "models.ctr.din:DIN",
        "dien": "models.ctr.dien:DIEN",
        "dcnv2": "models.ctr.dcnv2:DCNv2",
        "deepfm": "models.ctr.deepfm:DeepFM",
        "daian": "models.ctr.daian:DAIAN",
        "poso": "models.ctr.poso:POSO",
        "mwuf": "models.ctr.mwuf:MWUF",
        "dihn": "models.ctr.dihn:DIHN",
        "dian": "models.ctr.dian:DIAN",
        "dei2n": "models.ctr.dei2n:DEI2N",
    },
    "docs/how-to/add-a-model.md",
)
