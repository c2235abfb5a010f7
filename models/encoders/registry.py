"""The item encoders by name."""

from models.registry import Registry

ENCODERS = Registry(
    "item encoder",
    {
        "minilm": "models.encoders.minilm:MiniLM",
        "sentence_t5": "models.encoders.sentence_t5:SentenceT5",
        "qwen_vl": "models.encoders.qwen_vl:QwenVL",
        "efficientnet_lite0": "models.encoders.efficientnet_lite0:EfficientNetLite0",
        "concat": "models.encoders.concat:Concat",
        "precomputed": "models.encoders.precomputed:Precomputed",
    },
    "docs/how-to/add-an-encoder.md",
)
