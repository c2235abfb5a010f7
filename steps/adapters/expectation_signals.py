"""What is expected of labels, triggers, requests and histories: the signal models learn from."""

import polars as pl

from models.data.example_settings import ExamplesConfig
from models.data.tables import Tables
from steps.adapters import expectation_figures as figures
from steps.adapters.expectation_checks import Checklist
from steps.adapters.expectation_suites import JOIN, add_not_null

IN_SET = "expect_column_values_to_be_in_set"


def add_labels(checklist: Checklist, tables: Tables, examples: ExamplesConfig) -> None:
    """Add the checks of the label: its values, its rate, and that no feature gives it away.

    A log to which negatives are drawn may hold clicks alone.
    """
    add_not_null(checklist, "impressions.label.not_null", "label")
    values = "every label is 0 or 1"
    do = "Map the raw labels to 0 and 1 in the data set's file."
    checklist.rows_hold("impressions.label.values", "label", values, IN_SET, do, value_set=[0, 1])
    if examples.negatives is None:
        _add_classes(checklist)
    checklist.figure_holds(
        "impressions.label.leak",
        "label",
        "AUC of the best feature alone, near 1 where a feature holds the label",
        "Drop the feature named first, or measure it before the impression instead of after.",
        lambda: figures.label_leak(tables, checklist.config),
    )


def _add_classes(checklist: Checklist) -> None:
    rate = checklist.config.check("impressions.label.rate")
    checklist.table_holds(
        "impressions.label.both_classes",
        "label",
        "both clicked and not clicked impressions are there",
        "expect_column_distinct_values_to_contain_set",
        "Add the other class; for a log of positives only, configure examples.negatives.",
        value_set=[0, 1],
    )
    checklist.table_holds(
        "impressions.label.rate",
        "label",
        "a plausible share of clicks",
        "expect_column_mean_to_be_between",
        "Look at how labels are mapped; widen min and max if the rate is right.",
        min_value=rate.min,
        max_value=rate.max,
    )


def add_context(checklist: Checklist, tables: Tables, examples: ExamplesConfig) -> None:
    """Add the checks of triggers, requests and histories."""
    config = checklist.config
    if examples.trigger == "log":
        _add_logged_triggers(checklist, tables)
    elif examples.trigger == "derived":
        checklist.figure_holds(
            "impressions.trigger.derived",
            "trigger_item_id",
            f"share of impressions after an event within {examples.trigger_window_s} s",
            "Widen examples.trigger_window_s, or set examples.trigger to none.",
            lambda: figures.derived_triggers(tables, examples, config),
        )
    if tables.impressions["request_id"].null_count() < tables.impressions.height:
        checklist.figure_holds(
            "impressions.request.one_user",
            "request_id",
            "every request is of one user",
            "Make request_id unique across users, or leave it empty.",
            lambda: figures.divided_requests(tables.impressions),
        )
    checklist.figure_holds(
        "impressions.history.strictly_before",
        "timestamp",
        "no click stands in the history of its own impression",
        "Stamp impressions when they are shown and clicks when they happen, by one clock.",
        lambda: figures.own_clicks_in_history(tables, examples, config),
    )
    checklist.figure_holds(
        "impressions.history.coverage",
        "user_id",
        "share of impressions with a history",
        "Take behaviours from before the first impression, or widen examples.history_days.",
        lambda: figures.history_coverage(tables, examples, config),
    )


def _add_logged_triggers(checklist: Checklist, tables: Tables) -> None:
    impressions, column = checklist.scope.whole.lazy("impressions"), "trigger_item_id"
    checklist.figure_holds(
        "impressions.trigger.present",
        column,
        "share of impressions with a trigger",
        "Map the trigger's column in the data set's file, or set examples.trigger to derived.",
        lambda: figures.logged_triggers(impressions),
        whole=True,
    )
    checklist.figure_holds(
        "impressions.trigger.known",
        column,
        "every trigger stands in items",
        JOIN.format(home="items"),
        lambda: figures.unknown_keys(impressions, column, tables.items["item_id"]),
        whole=True,
    )
    if tables.impressions.schema[column] != pl.Null:
        checklist.figure_holds(
            "impressions.trigger.in_history",
            column,
            "every trigger is an event of its user, not later than the impression",
            "Look whether behaviours hold the clicks that triggers are.",
            lambda: figures.foreign_triggers(tables, checklist.config),
        )
