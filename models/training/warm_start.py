"""Starts a training from an older model whose users, items and values are only partly today's.

Rows of the tables are found by the id or value they stand for: codes move and tables grow from one
data set to the next. Dense weights are copied. The optimizer starts afresh: its state is no part of
a model's folder, and moments of another day's gradients would steer the first steps.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor, nn

from models.artifacts import file_hash
from models.ctr.base import CTRModel
from models.ctr.config import CTRConfig
from models.ctr.saved import WEIGHTS, LoadedModel, load_model
from models.data.catalogue import Catalogue
from models.data.code_maps import field_map, item_map, user_map
from models.data.codes import FIRST, UNKNOWN
from models.data.vocabulary import (
    ITEMS_FILE,
    USERS_FILE,
    VOCABULARY_FILE,
    FieldVocabulary,
    Vocabularies,
)
from models.errors import IncompatibleArtifactError
from models.layers.embedding import (
    FieldEmbedding,
    IdEmbedding,
    ItemEmbedding,
    ItemFields,
    UserEmbedding,
    UserFields,
)

_SAME_CONTENT = 0.99  # least median cosine of an item's content then and now
_SAMPLED_ITEMS = 4096


def warm_start(
    model: CTRModel,
    config: CTRConfig,
    catalogue: Catalogue,
    vocabularies: Vocabularies,
    folder: Path,
) -> dict[str, int]:
    """Put the weights of the model at ``folder`` into ``model``; return how many rows were new.

    Args:
        model: Today's model with its initial weights, which new rows keep.
        config: Its configuration; ``training.new_rows`` may give new rows the unknown row's.
        catalogue: Its catalogue.
        vocabularies: Its codes.
        folder: The older model, with the vocabularies it was trained with.

    Raises:
        IncompatibleArtifactError: the older model is another one, or of other inputs.
        CorruptArtifactError: the folder is no whole model.
    """
    older, codes = load_model(folder), Vocabularies.load(folder)
    if differences := _differences(model, catalogue, vocabularies, older, codes):
        raise IncompatibleArtifactError(
            "The older model cannot be gone on from: " + "; ".join(differences) + ".",
            where=str(folder),
            allowed="a model of the same name, settings, fields, encoder and intent levels",
            do="Train without a warm start, or give both trainings the same settings.",
        )
    maps = _row_maps(model, vocabularies, codes)
    source, target = older.model.state_dict(), model.state_dict()
    as_unknown = config.training.new_rows == "unknown"
    for name, weights in target.items():
        rows = maps.get(name)
        if rows is None:
            weights.copy_(source[name])
        else:
            _copy_rows(weights, source[name], rows, as_unknown=as_unknown)
    counted = {"items": item_map(vocabularies, codes), "users": user_map(vocabularies, codes)}
    return {f"new_{name}": int((rows[FIRST:] < FIRST).sum()) for name, rows in counted.items()}


def warm_start_hash(folder: Path) -> list[str]:
    """Return the hashes of all files a warm start reads: part of what determines a run."""
    names = (WEIGHTS, VOCABULARY_FILE, ITEMS_FILE, USERS_FILE)
    return [file_hash(folder / name) for name in names]


def _differences(
    model: CTRModel,
    catalogue: Catalogue,
    vocabularies: Vocabularies,
    older: LoadedModel,
    codes: Vocabularies,
) -> list[str]:
    """Return in words what keeps the older weights from fitting, nothing if they fit."""
    if type(older.model) is not type(model):
        return [f"it is {older.config.model!r}"]
    now, then = (one.config.model_dump() for one in (model, older.model))
    found = [
        f"{name} was {then[name]!r} and is {value!r}"
        for name, value in now.items()
        if then[name] != value
    ]
    for side in ("user", "item", "context"):
        names = [[field.name for field in getattr(one, side)] for one in (codes, vocabularies)]
        if names[0] != names[1]:
            found.append(f"the {side} fields were {names[0]} and are {names[1]}")
    for kind in ("known_items", "known_users"):
        types = [getattr(one, kind).dtype for one in (codes, vocabularies)]
        if types[0] != types[1]:
            name = kind.removeprefix("known_")
            found.append(f"the ids of the {name} were {types[0]} and are {types[1]}")
    found.extend(_content_differences(catalogue, vocabularies, older.catalogue, codes, found))
    return found


def _content_differences(
    now: Catalogue,
    vocabularies: Vocabularies,
    then: Catalogue,
    codes: Vocabularies,
    found: Sequence[str],
) -> Iterator[str]:
    """Yield how the items' content and the intent levels differ."""
    levels = [_levels(catalogue) for catalogue in (then, now)]
    if levels[0] != levels[1]:
        yield f"the intent levels were {levels[0]} and are {levels[1]}"
    if now.content is None or then.content is None:
        return
    widths = [catalogue.shape[1] for catalogue in (then.content, now.content)]
    if widths[0] != widths[1]:
        yield f"the content's width was {widths[0]} and is {widths[1]}: another encoder"
    elif not found:
        likeness = _median_likeness(now.content, then.content, item_map(vocabularies, codes))
        if likeness < _SAME_CONTENT:
            yield f"the items' content is other, median cosine {likeness:.2f}: another encoder"


def _levels(catalogue: Catalogue) -> int:
    return 0 if catalogue.intent_edges is None else catalogue.intent_edges.numel() + 1


def _median_likeness(now: Tensor, then: Tensor, items: Int32[np.ndarray, " I"]) -> float:
    """Return the median cosine of the content of items both know; 1 without such."""
    shared = np.flatnonzero(items >= FIRST)
    shared = shared[:: len(shared) // _SAMPLED_ITEMS + 1]
    pairs = now[torch.from_numpy(shared)] * then[torch.from_numpy(items[shared]).long()]
    cosines = pairs.sum(-1)[pairs.any(-1)]
    return float(cosines.median()) if cosines.numel() else 1.0


def _row_maps(
    model: nn.Module, now: Vocabularies, then: Vocabularies
) -> dict[str, Int32[np.ndarray, " R"]]:
    """Return the older row of every row of every table, by the table's name; below 0 if new."""
    items, users = item_map(now, then), user_map(now, then)
    maps = {}
    for name, module in model.named_modules():
        if isinstance(module, ItemEmbedding | ItemFields):
            maps |= _field_rows(f"{name}.fields", module.fields, now.item, then.item)
        if isinstance(module, UserEmbedding | UserFields):
            maps |= _field_rows(f"{name}.fields", module.fields, now.user, then.user)
        if isinstance(module, ItemEmbedding):
            maps[f"{name}.ids.weight"] = _new_below_zero(items)
        elif isinstance(module, UserEmbedding):
            maps[f"{name}.ids.weight"] = _new_below_zero(users)
            maps |= _field_rows(f"{name}.context", module.context, now.context, then.context)
        elif isinstance(module, IdEmbedding) and f"{name}.weight" not in maps:
            raise IncompatibleArtifactError(
                f"Whose codes the table {name!r} is looked up by is not known.",
                allowed="tables inside ItemEmbedding, UserEmbedding, ItemFields and UserFields",
                do="Train this model without a warm start.",
            )
    return maps


def _field_rows(
    name: str,
    table: FieldEmbedding,
    now: Sequence[FieldVocabulary],
    then: Sequence[FieldVocabulary],
) -> Mapping[str, Int32[np.ndarray, " R"]]:
    """Return the map of a table that holds all fields: each field's rows but code 0's follow."""
    if table.table is None:
        return {}
    parts, start = [np.zeros(1, np.int32)], 0
    for field, older in zip(now, then, strict=True):
        rows = _new_below_zero(field_map(field, older))[1:]
        parts.append(np.where(rows > 0, rows + start, rows - start).astype(np.int32))
        start += older.field.size - 1
    return {f"{name}.table.weight": np.concatenate(parts)}


def _new_below_zero(codes: Int32[np.ndarray, " R"]) -> Int32[np.ndarray, " R"]:
    """Return the codes with new ids and values as minus the row of the unknown."""
    new = codes <= UNKNOWN
    new[:FIRST] = False
    return np.where(new, np.int32(-UNKNOWN), codes)


def _copy_rows(
    weights: Tensor, older: Tensor, rows: Int32[np.ndarray, " R"], *, as_unknown: bool
) -> None:
    if as_unknown:
        rows = np.abs(rows)
    known = torch.from_numpy(np.flatnonzero(rows >= 0))
    weights[known] = older[torch.from_numpy(rows[rows >= 0]).long()]
