"""All pages by name; each lives in a module of its own."""

from models.reports.comparison_page import write_comparison_page
from models.reports.drift_page import write_drift_page
from models.reports.evaluation_page import write_evaluation_page
from models.reports.index_page import write_index_page
from models.reports.intent_page import write_intent_page
from models.reports.tokenizer_page import write_tokenizer_page
from models.reports.validation_page import write_validation_page

__all__ = [
    "write_comparison_page",
    "write_drift_page",
    "write_evaluation_page",
    "write_index_page",
    "write_intent_page",
    "write_tokenizer_page",
    "write_validation_page",
]
