"""The saved form of a trained model, under the name of the package that writes it.

It is defined beside the models because serving reads it, and serving may not import training.
"""

from models.ctr.saved import LoadedModel, ModelDescription, load_model, save_model

__all__ = ["LoadedModel", "ModelDescription", "load_model", "save_model"]
