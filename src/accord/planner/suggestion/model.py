"""The adapter of pydantic-ai: asks a language model behind an OpenAI-compatible endpoint for a graph.

It alone imports what the extra `llm` brings. Nothing is read from the environment: neither keys nor addresses nor
proxies, and no redirect is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
import msgspec
import openai
from pydantic_ai import Agent, ModelRetry, RunUsage, ToolOutput, UsageLimits
from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings

from accord.errors import Problem
from accord.planner.suggestion.asking import INSTRUCTIONS, Asked, Endpoint, told
from accord.planner.suggestion.graph import SuggestedGraph, Unable
from accord.planner.suggestion.wording import plain
from accord.ports import Clock, ModelCall
from accord.tls import meaning

Check = Callable[[SuggestedGraph], tuple[Problem, ...]]
"""What is wrong with a suggestion."""

Tell = Callable[[ModelCall], None]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, and what it took."""

    graph: SuggestedGraph | None = None
    """The suggestion that held."""
    unable: str | None = None
    """Why the model sees no way."""
    problem: Problem | None = None
    """Why it could not be asked, or has given nothing that can be read."""
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    """In US dollars."""


async def ask(endpoint: Endpoint, key: str | None, asked: Asked, check: Check, clock: Clock, tell: Tell) -> Answer:
    """What the model answers: each suggestion is checked, and what is wrong with it is told, as often as it may be.

    It takes as long as it takes: whoever calls bounds the time. Each request is told, also one that fails.
    """
    used = RunUsage()
    verify = endpoint.tls.context() if endpoint.url.startswith("https:") else False
    http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, verify=verify)
    async with http:
        agent = _agent(endpoint, _model(endpoint, key, http, clock, tell))

        @agent.output_validator
        def _checked(output: SuggestedGraph | Unable) -> SuggestedGraph | Unable:
            problems = check(output) if isinstance(output, SuggestedGraph) else ()
            if problems:
                raise ModelRetry(told(problems))
            return output

        try:
            limits = UsageLimits(request_limit=endpoint.rounds)
            result = await agent.run(asked.prompt, usage=used, usage_limits=limits)
        except (AgentRunError, openai.OpenAIError) as error:
            return _used(used, problem=_problem(error, endpoint))
    if isinstance(result.output, Unable):
        return _used(used, unable=result.output.why)
    return _used(used, graph=result.output)


def _used(used: RunUsage, **what: Any) -> Answer:
    return Answer(
        requests=used.requests,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost=used.cost,
        **what,
    )


def _model(endpoint: Endpoint, key: str | None, http: httpx2.AsyncClient, clock: Clock, tell: Tell) -> WrapperModel:
    client = openai.AsyncOpenAI(base_url=endpoint.url, api_key=key or "not-set", http_client=http, max_retries=0)
    client.organization = client.project = None  # both are read from the environment
    provider = OpenAICompatibleProvider("openai", openai_client=client)
    return _Told(OpenAIChatModel(endpoint.model, provider=provider), endpoint, clock, tell)


def _agent(endpoint: Endpoint, model: WrapperModel) -> Agent[object, SuggestedGraph | Unable]:
    outputs = [ToolOutput(SuggestedGraph, name="graph"), ToolOutput(Unable, name="unable")]
    return Agent(
        model,
        output_type=outputs,
        instructions=INSTRUCTIONS,
        retries={"tools": 0, "output": endpoint.rounds},
        model_settings=ModelSettings(max_tokens=endpoint.max_tokens, temperature=0.0),
        name="accord-planner",
    )


class _Told(WrapperModel):
    """A model of which each request is told."""

    def __init__(self, wrapped: OpenAIChatModel, endpoint: Endpoint, clock: Clock, tell: Tell) -> None:
        super().__init__(wrapped)
        self._endpoint = endpoint
        self._clock = clock
        self._tell = tell

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        with self._telling() as answered:
            response = await super().request(messages, model_settings, model_request_parameters)
            answered.append(response)
        return response

    @contextmanager
    def _telling(self) -> Iterator[list[ModelResponse]]:
        answered: list[ModelResponse] = []
        began = self._clock.now()
        try:
            yield answered
        finally:
            self._tell(self._call(began, answered[0] if answered else None))

    def _call(self, began: datetime, response: ModelResponse | None) -> ModelCall:
        return ModelCall(
            began=began,
            ended=self._clock.now(),
            model=self._endpoint.model,
            answered_by=(response.model_name or "") if response is not None else "",
            host=self._endpoint.host,
            port=self._endpoint.port,
            input_tokens=response.usage.input_tokens if response is not None else 0,
            output_tokens=response.usage.output_tokens if response is not None else 0,
            error="" if response is not None else "ACC150",
        )


def _problem(error: Exception, endpoint: Endpoint) -> Problem:
    """Why the model could not be asked, or what it has given can not be read; never what the endpoint's body says."""
    where = f"the language model at {endpoint.host}"
    cause = _cause(error)
    status = error.status_code if isinstance(error, ModelHTTPError) else getattr(cause, "status_code", None)
    if status is not None:
        return Problem("ACC150", f"{where} answered with status {status}", hint=_way_out(status))
    if isinstance(error, (ModelAPIError, openai.OpenAIError)):
        is_theirs = isinstance(cause, (ModelAPIError, openai.OpenAIError))
        said = type(cause).__name__ if is_theirs else plain(meaning(cause), 200)
        return Problem("ACC150", f"{where} cannot be asked: {said}", hint="accord doctor tells whether it is there")
    hint = "another model may do better; what could be meant is told beside this"
    return Problem("ACC153", f"`{endpoint.model}` has suggested no graph that can be read", hint=hint)


def _cause(error: BaseException) -> BaseException:
    """What lies under what libraries say."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _way_out(status: int) -> str:
    if status in (401, 403):
        return "the setting suggestion_key_file names the file with its key"
    if status == 404:
        return "suggestion_endpoint goes up to and with /v1, and suggestion_model is a model that is there"
    if status == 429:
        return "it is asked too often, or nothing is left to spend: try again later"
    return "see the log of the endpoint"
