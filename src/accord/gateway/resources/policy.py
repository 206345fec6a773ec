"""`/v1/policy/decisions`: what the policy in force says before anything is run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from accord.domain.ids import AGENT_ID_PATTERN, AgentId
from accord.domain.labels import PATTERN
from accord.domain.policy import AgentAction, Decision
from accord.gateway.asking import Runner, TheNode
from accord.gateway.bodies import body
from accord.gateway.documents import Document, answers
from accord.service import Question

router = APIRouter(prefix="/v1/policy", tags=["plans"])

Versioned = Annotated[str, StringConstraints(pattern=r"^[^@]+@[^@]+$", max_length=200)]


class Asked(BaseModel):
    """May this agent do this with data of these labels, for a capability, in a run of the template?"""

    model_config = body()

    action: AgentAction
    agent: str = Field(pattern=AGENT_ID_PATTERN, max_length=200)
    capability: Versioned
    template: Versioned
    labels: list[Annotated[str, StringConstraints(pattern=PATTERN)]] = Field(max_length=1000)

    def question(self) -> Question:
        """What the policy is asked."""
        return Question(self.action, AgentId(self.agent), self.capability, self.template, frozenset(self.labels))


class Questions(BaseModel):
    """What the policy is asked, of runs that the principal would start."""

    model_config = body(
        {
            "questions": [
                {
                    "action": "see",
                    "agent": "spiffe://local/agent/scout",
                    "capability": "text.summarize@1.0.0",
                    "template": "audit@1.0.0",
                    "labels": ["confidential"],
                }
            ]
        }
    )

    questions: list[Asked] = Field(max_length=Question.MOST)


@router.post("/decisions", responses=answers(list[Decision]), response_class=Document)
async def decide(asked: Questions, node: TheNode, principal: Runner) -> Document:
    """What the policy in force says to each of these, in their order; nothing is done, and nothing is kept."""
    return Document(await node.decisions([one.question() for one in asked.questions], by=principal.name))
