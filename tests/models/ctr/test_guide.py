"""The guide's model is run as it stands."""

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import torch

from models.ctr.base import CTRModel
from tests.models.training.synthetic import Dataset

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-model.md"


def test_the_guides_model_scores_impressions_and_requests_alike(dataset: Dataset) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, object] = {"__name__": "guide"}
    exec(textwrap.dedent("    " + code.group(1).lstrip()), names)
    kind = names["AveragePool"]
    assert isinstance(kind, type)
    assert issubclass(kind, CTRModel)
    model = kind(kind.config_type(), dataset.catalogue).eval()
    request = dataset.store.gather(dataset.store.rows("test")[:1])
    candidates = torch.tensor([4, 9], dtype=torch.int32)
    expected = torch.cat([model(replace(request, target_item=one[None])) for one in candidates])
    torch.testing.assert_close(model.score_candidates(request, candidates).logit, expected)
