"""Versions and events of a line, as plain values for JSON and as lines for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MISSING = "–"
METRICS = {"test/auc": "AUC", "test/gauc": "GAUC", "test/log_loss": "LogLoss", "test/ece": "ECE"}
Values = dict[str, Any]


def listing(folder: Path) -> list[Values]:
    """Return the registered versions, oldest first, each with its stage and headline figures."""
    from steps.adapters.release import releases, stages

    stage = stages(folder)
    return [
        {
            "version": release.version,
            "stage": stage[release.version],
            "approved": release.approved,
            "registered_at": release.registered_at.isoformat(),
            "run": release.run,
            "metrics": {key: release.metrics.get(key) for key in METRICS},
        }
        for release in releases(folder)
    ]


def passport(folder: Path, version: str) -> Values:
    """Return all that is known of a version: record, stage, history, and how it was trained."""
    from steps.adapters.release import archive_path, stage_of
    from steps.adapters.release_log import read_release

    release = read_release(folder, version)
    archive = archive_path(folder, version)
    return {
        **release.model_dump(mode="json"),
        "stage": stage_of(folder, version),
        "archive": str(archive),
        "archive_bytes": archive.stat().st_size if archive.is_file() else None,
        "training": _training(archive),
        "history": past(folder, version),
    }


def difference(folder: Path, version: str, other: str) -> Values:
    """Return in what two versions differ: figures, settings, parents, gate."""
    first, second = passport(folder, version), passport(folder, other)
    flat = {name: _flat(one) for name, one in ((version, first), (other, second))}
    keys = list(dict.fromkeys([*flat[version], *flat[other]]))
    rows = [
        {"key": key, "first": flat[version].get(key), "second": flat[other].get(key)}
        for key in keys
        if flat[version].get(key) != flat[other].get(key)
    ]
    return {"first": version, "second": other, "differences": rows}


def past(folder: Path, version: str | None = None) -> list[Values]:
    """Return the events, oldest first; of one version, or all."""
    from steps.adapters.release import history
    from steps.adapters.release_log import read_release

    if version is not None:
        read_release(folder, version)
    return [
        event.model_dump(mode="json")
        for event in history(folder)
        if version is None or version in (event.from_version, event.to_version)
    ]


def told_versions(rows: Sequence[Values]) -> Iterator[str]:
    """Yield the lines for a person."""
    head = ["version", "stage", "gate", *METRICS.values(), "registered", "run"]
    lines = [
        [
            row["version"],
            row["stage"],
            "approved" if row["approved"] else "refused",
            *(_number(row["metrics"][key]) for key in METRICS),
            _minute(row["registered_at"]),
            row["run"] or MISSING,
        ]
        for row in rows
    ]
    yield from table_of([head, *lines])


def told_passport(found: Values) -> Iterator[str]:
    """Yield the lines for a person."""
    verdict = "approved by the gate" if found["approved"] else "not approved by the gate"
    yield f"{found['tag']}  {found['stage']}, {verdict}"
    yield ""
    size = found["archive_bytes"]
    facts = [
        ["model", found["model_hash"]],
        ["registered", _minute(found["registered_at"])],
        ["run", found["run"] or MISSING],
        ["archive", f"{found['archive']} ({size / 1e6:.1f} MB)" if size else "missing"],
    ]
    yield from table_of(facts)
    yield ""
    yield "Figures"
    yield from table_of([[key, _number(value)] for key, value in found["metrics"].items()])
    yield ""
    yield "Gate"
    yield from (f"  {reason}" for reason in found["reasons"])
    yield ""
    yield "History"
    yield from told_events(found["history"])


def told_difference(found: Values) -> Iterator[str]:
    """Yield the lines for a person."""
    if not found["differences"]:
        yield f"{found['first']} and {found['second']} do not differ."
        return
    rows = [[row["key"], _number(row["first"]), _number(row["second"])]
            for row in found["differences"]]  # fmt: skip
    yield from table_of([["", found["first"], found["second"]], *rows])


def told_events(events: Sequence[Values]) -> Iterator[str]:
    """Yield the lines for a person: who, when, from, to, why."""
    for event in events:
        yield (
            f"  {_minute(event['at'])}  {event['action']:8}  {_move(event)}  "
            f"{event['who']}: {event['reason'] or MISSING}"
        )
        for rule in event["overrode"]:
            yield f"{'':20}set aside: {rule}"


def table_of(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows, columns aligned; a row's last cell may be of any length."""
    columns = max(map(len, rows), default=0)
    widths = [max((len(r[i]) for r in rows if i < len(r) - 1), default=0) for i in range(columns)]
    for row in rows:
        yield "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip()


def _move(event: Mapping[str, Any]) -> str:
    if event["action"] == "register":
        return event["to_version"]
    if event["action"] == "withdraw":
        return f"{event['to_version']} -> archived"
    stage = " (staging)" if event["action"] == "stage" else ""
    return f"{event['from_version'] or 'nothing'} -> {event['to_version']}{stage}"


def _training(archive: Path) -> Values:
    """Return how the model in an archive was trained; nothing where the archive is damaged."""
    from models.errors import ReleaseError
    from steps.adapters.bento_store import read_member

    try:
        manifest = json.loads(read_member(archive, "src/model/manifest.json"))
    except (ReleaseError, ValueError):
        return {}
    return {key: manifest.get(key, {}) for key in ("config", "parents", "provenance", "summary")}


def _flat(found: Values) -> Values:
    """Return a passport as one level of names, without what two versions never share."""
    own = {"version", "tag", "archive", "archive_hash", "registered_at", "history", "reasons"}
    flat: Values = {}
    for key, value in found.items():
        if key not in own:
            _flatten(key, value, flat)
    return flat


def _flatten(name: str, value: object, into: Values) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{name}.{key}", inner, into)
    else:
        into[name] = value


def _number(value: object) -> str:
    if value is None:
        return MISSING
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
