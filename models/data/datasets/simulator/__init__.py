"""The simulated shop: a trigger-induced recommendation log whose truth is known."""

from models.data.datasets.simulator.adapter import Simulator
from models.data.datasets.simulator.raw import write_raw
from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.truth import true_intent

__all__ = ["Simulator", "SimulatorSettings", "true_intent", "write_raw"]
