"""The planner: an objective in words becomes a verified plan, or an honest "I don't know"."""

from accord.planner.plan import Candidate, Plan, plan

__all__ = ["Candidate", "Plan", "plan"]
