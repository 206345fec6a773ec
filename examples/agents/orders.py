"""Declared schemas instead of types, and an effect outside that must not happen twice."""

from __future__ import annotations

from typing import Any

from accord.sdk import Agent, Context, Failure

agent = Agent("orders", description="Books orders.")

ORDER = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "amount": {"type": "integer", "minimum": 1}},
    "required": ["item", "amount"],
    "additionalProperties": False,
}
BOOKED = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "amount": {"type": "integer"}},
    "required": ["number", "amount"],
    "additionalProperties": False,
}

stock = {"bolt": 12, "nut": 3}
booked: dict[str, dict[str, Any]] = {}


@agent.capability("order.book@1.0.0", input=ORDER, output=BOOKED)
async def book(order: dict[str, Any], context: Context) -> dict[str, Any]:
    """Takes the amount from the stock; the same attempt delivered again books nothing more."""
    key = context.idempotency_key
    if key not in booked:
        if stock.get(order["item"], 0) < order["amount"]:
            raise Failure("out-of-stock", f"there are not {order['amount']} of {order['item']}")
        stock[order["item"]] -= order["amount"]
        booked[key] = {"number": f"order-{len(booked) + 1}", "amount": order["amount"]}
    return booked[key]
