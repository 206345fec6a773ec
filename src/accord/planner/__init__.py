"""The planner: an objective in words becomes a verified plan, or an honest "I don't know"."""

from accord.planner.plan import Plan, plan
from accord.planner.ways import Candidate, Objective

__all__ = ["Candidate", "Objective", "Plan", "plan"]
