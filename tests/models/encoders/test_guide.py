"""The guide's example is run as it stands."""

import re
import textwrap
from pathlib import Path

import numpy as np

from models.encoders.base import Encoder, ItemContent

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-an-encoder.md"


def test_the_guides_encoder_encodes() -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, object] = {"__name__": "guide"}
    exec(textwrap.dedent("    " + code.group(1).lstrip()), names)
    kind = names["Lengths"]
    encoder: Encoder = kind.load(kind.settings_type())
    vectors = encoder.encode([ItemContent(1, "abcd"), ItemContent(2, "a b")], lambda k: k)
    np.testing.assert_allclose(vectors[0], np.array([4, 1]) / np.sqrt(17), atol=1e-6)
    assert encoder.key(ItemContent(3, "")) is None
