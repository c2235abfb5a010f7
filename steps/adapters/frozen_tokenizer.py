"""The tokenizer in use, as a retraining keeps it."""

import json
from pathlib import Path
from typing import NamedTuple

from models.artifacts import ArtifactRef, reference
from steps.adapters.semantic_ids_in_use import ids_in_use, tokenizer_of
from steps.adapters.workspace import state_folder


class Frozen(NamedTuple):
    """The semantic IDs behind the model in production, and what made them."""

    ids: ArtifactRef
    tokenizer: ArtifactRef


def frozen_tokenizer(line: str, content: ArtifactRef) -> Frozen | None:
    """Return the tokenizer in use on ``line``; ``None`` where there is none for these embeddings.

    There is none before the first release, where its files are no longer here, and where another
    encoder gives embeddings of another width.
    """
    from models.tokenizers.training import FACTS_FILE

    ids = ids_in_use(line)
    tokenizer = tokenizer_of(ids) if ids is not None else None
    if ids is None or tokenizer is None:
        return None
    width = json.loads((tokenizer / FACTS_FILE).read_text(encoding="utf-8"))["dim"]
    if content.summary["dim"] != width:
        return None
    return Frozen(_reference(ids), _reference(tokenizer))


def _reference(folder: Path) -> ArtifactRef:
    path = folder.relative_to(state_folder()).as_posix()
    return reference(folder).model_copy(update={"path": path})
