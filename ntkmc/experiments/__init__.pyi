from .registry import EXPERIMENTS as EXPERIMENTS, Experiment as Experiment, load as load
