"""From a draft to the files of a store: splits, negatives, vocabularies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int8, Int64

from models.artifacts import Scalar
from models.data.codes import FIRST
from models.data.draft import Draft, find_seen
from models.data.drawing import grown, with_negatives
from models.data.example_settings import ExamplesConfig
from models.data.fitting import Fitted, Seen, fit
from models.data.impressions import NO_REQUEST
from models.data.request_index import first_rows, renumber
from models.data.row_blocks import count, look_up
from models.data.splits import assign_splits, check_splits
from models.data.store import SPLITS, array_file, write_store
from models.data.triggers import require_triggers
from models.errors import SchemaError

MAX_EVENTS = 2**31 - 1


def check_size(num_events: int, history_length: int) -> None:
    """Raise `SchemaError` where events are too many for the 31 bits an example counts them in."""
    if num_events + history_length > MAX_EVENTS:
        raise SchemaError(
            f"The log has {num_events} behaviours.",
            where="table behaviours",
            allowed=f"at most {MAX_EVENTS - history_length} in one store",
            do="Leave out the oldest behaviours, or those of users without impressions.",
        )


def assemble(
    draft: Draft, config: ExamplesConfig, folder: Path, counts: dict[str, Scalar], *, seed: int
) -> dict[str, Scalar]:
    """Write the store of a draft, whose events are in ``folder`` already; return its counts.

    Raises:
        SchemaError: no impression has a trigger.
        SplitError: a split would be empty or of one class.
        ConfigError: the settings of the negatives do not fit the log.
    """
    require_triggers(config, draft.rows.trigger_item)
    used, dropped = _used(draft, config)
    events = array_file(folder, "event_item")
    if config.negatives is not None:
        used = with_negatives(used, config.negatives, events, seed)
    if dropped["dropped_before_train"] or config.negatives is not None:
        used = replace(used, rows=replace(used.rows, request=renumber(used.rows.request)))
    seen = find_seen(used, events)
    fitted = fit(used.sides, seen, (used.user_ids, used.item_ids), config)
    row, target, label = grown(used)
    arrays = _grown_columns(_example_columns(used, seen, fitted), row)
    check_splits(config.split, arrays["user"], label, arrays["split"])
    arrays |= {"target_item": target, "label": label}
    arrays |= _other_arrays(used, seen, fitted)
    of_train = arrays["split"] == 0
    arrays["item_train_count"] = count(target, of_train, len(seen.items) + FIRST)
    summary = counts | dropped | _summary(used, seen, label, arrays["split"])
    facts = {
        "spec": fitted.vocabularies.spec.model_dump(),
        "config": config.model_dump(),
        "num_examples": summary["examples"],
        "num_requests": summary["requests"],
        "origin_s": used.origin_s,
        "span_s": used.span_s,
        "carried_users": used.carried.users,
        "summary": summary,
    }
    write_store(folder, facts, arrays, fitted.vocabularies, fitted.unfitted)
    return summary


def _used(draft: Draft, config: ExamplesConfig) -> tuple[Draft, dict[str, Scalar]]:
    """Return the examples of the three splits, and how many impressions are in none."""
    kept = _some(draft, _kept(config, draft.rows.trigger_item > 0))
    rows = kept.rows
    request = rows.request if kept is draft else renumber(rows.request)
    split = assign_splits(config.split, rows.user, rows.time, request, rows.label)
    kept = replace(kept, rows=replace(rows, request=request, split=split.astype(np.int8)))
    used = _some(kept, split >= 0)
    return used, {
        "dropped_without_trigger": draft.rows.size - kept.rows.size,
        "dropped_before_train": kept.rows.size - used.rows.size,
    }


def _some(draft: Draft, rows: Bool[np.ndarray, " N"]) -> Draft:
    return draft if rows.all() else draft.take(np.flatnonzero(rows))


def _kept(config: ExamplesConfig, has_trigger: Bool[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    if config.trigger == "none" or config.missing_trigger == "mask":
        return np.ones(len(has_trigger), dtype=bool)
    return has_trigger


def _example_columns(draft: Draft, seen: Seen, fitted: Fitted) -> dict[str, np.ndarray]:
    user_code = np.empty(len(seen.users), dtype=np.int32)
    user_code[seen.users] = np.arange(FIRST, FIRST + len(seen.users), dtype=np.int32)
    columns = dict(vars(draft.rows)) | {"context_fields": fitted.context}
    key = columns["request_key"][first_rows(draft.rows.request)]
    columns["request_key"] = key if (key != NO_REQUEST).any() else key[:0]
    return columns | {"user": look_up(user_code, draft.rows.user)}


def _grown_columns(
    columns: dict[str, np.ndarray], row: Int64[np.ndarray, " M"] | None
) -> dict[str, np.ndarray]:
    """Return the columns with each positive's row for its negatives, too."""
    if row is None:
        return columns
    return {
        name: column if name == "request_key" else column[row] for name, column in columns.items()
    }


def _other_arrays(draft: Draft, seen: Seen, fitted: Fitted) -> dict[str, np.ndarray]:
    starts, ends = draft.timelines
    return {
        "user_fields": fitted.users,
        "item_fields": fitted.items,
        "item_seen": np.r_[np.zeros(FIRST, dtype=bool), seen.items],
        "timeline_start": np.r_[0, 0, starts[seen.users]],
        "timeline_end": np.r_[0, 0, ends[seen.users]],
    }


def _summary(
    draft: Draft, seen: Seen, label: Int8[np.ndarray, " M"], split: Int8[np.ndarray, " M"]
) -> dict[str, Scalar]:
    rows = draft.rows
    lengths = rows.history_end - rows.history_start
    starts, ends = draft.timelines
    summary: dict[str, Scalar] = {
        "examples": len(label),
        "requests": int(rows.request.max()) + 1,
        "users": len(seen.users),
        "train_users": seen.num_train_users,
        "items": len(seen.items),
        "train_items": int(seen.items.sum()),
        "events": int((ends - starts).sum()),
        "trigger_share": round(float((rows.trigger_item > 0).mean()), 6),
        "mean_history_length": round(float(lengths.mean()), 4),
    }
    for index, name in enumerate(SPLITS):
        labels = label[split == index]
        summary |= {f"{name}_examples": len(labels), f"{name}_clicks": int(labels.sum())}
    return summary
