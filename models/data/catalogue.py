"""What a model knows of the id spaces: their sizes, the items' side features and content."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from models.data.feature_spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The item tables a model looks up by item code; rows 0 (padding) and 1 (unknown) included.

    Attributes:
        spec: The sizes.
        item_fields: Side-feature codes of every item.
        content: L2-normalised content embedding of every item; zeros in rows 0 and 1, and ``None``
            where no encoder was run.
        intent_edges: The inner edges between the intent levels, ascending, on the scale of
            the cosine of mean-centred content; ``None`` without intent levels.
        content_mean: Mean subtracted from the content before the cosine (zeros if not centred).
    """

    spec: FeatureSpec
    item_fields: Int[Tensor, "N Fi"]
    content: Float[Tensor, "N C"] | None = None
    content_mean: Float[Tensor, " C"] | None = None
    intent_edges: Float[Tensor, " edges"] | None = None
