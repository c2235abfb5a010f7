"""Every error a user can cause: a class each, saying what, where, what is allowed and what to do.

The command line prints these without a traceback; any other exception is a bug and keeps its own.
"""


class ProjectError(Exception):
    """Base of all errors with a remedy the user can apply.

    Args:
        what: One sentence that names what was wrong and the offending value.
        where: The file, row, column or configuration key at fault.
        allowed: The values or forms that would have been accepted.
        do: What the user can do about it.
    """

    def __init__(self, what: str, *, where: str = "", allowed: str = "", do: str = "") -> None:
        self.what, self.where, self.allowed, self.do = what, where, allowed, do
        details = (("where", where), ("allowed", allowed), ("do", do))
        super().__init__(
            "\n".join([what, *(f"  {name}: {text}" for name, text in details if text)])
        )


class ConfigError(ProjectError):
    """A configuration file or value does not have the documented form."""


class UnknownNameError(ConfigError):
    """A name stands in no registry."""


class DataError(ProjectError):
    """Input data cannot be used as they are."""


class MissingDataError(DataError):
    """A file or folder that should hold input data is absent or only half there."""


class SchemaError(DataError):
    """A table lacks a column, or a column has the wrong type."""


class ValidationFailedError(DataError):
    """A critical expectation of the validation suite failed."""


class LeakageError(DataError):
    """Information from after an impression, or the label itself, reaches its features."""


class SplitError(DataError):
    """A split would leave train, valid or test unusable."""


class EncoderError(ProjectError):
    """An item encoder cannot load its weights or encode its input."""


class TokenizerError(ProjectError):
    """An item tokenizer cannot be trained, loaded or applied."""


class IncompatibleArtifactError(ProjectError):
    """Two artifacts that must stem from one another do not."""


class CorruptArtifactError(ProjectError):
    """An artifact's files differ from its manifest."""


class TrainingError(ProjectError):
    """Training cannot go on, for example because the loss is not finite."""


class RequestError(ProjectError):
    """A scoring request is malformed."""


class ReleaseError(ProjectError):
    """A model version cannot be packaged, promoted, rolled back or served."""


class ScheduleError(ProjectError):
    """A schedule cannot be installed, fired, changed or told of."""


class VersioningError(ProjectError):
    """Data or artifacts cannot be stored in, or fetched from, their DVC remote."""
