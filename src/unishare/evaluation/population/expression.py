"""Random arithmetic on unsigned 32-bit numbers, the same in C, Lua, JavaScript, SQL and Python.

Only operations whose result is exact in all five are drawn: factors and shifts are constants, small enough for SQL's signed
64 bits; JavaScript multiplies by a function of its own, for its numbers are doubles.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from unishare.evaluation.population.c_text import MASK, unsigned

# What JavaScript needs for exact products.
JAVASCRIPT_MULTIPLY = (
    "function multiply(a, b) { return ((a & 65535) * b % 4294967296 + ((a >>> 16) * b % 65536) * 65536) % 4294967296; }"
)


class ExpressionLanguage(enum.Enum):
    """What an expression can be written in."""

    C = "c"
    LUA = "lua"
    JAVASCRIPT = "javascript"
    SQL = "sql"


@dataclass(frozen=True)
class Expression:
    """An operator with its operands; `operator` is `constant` or `variable` at the leaves."""

    operator: str
    left: Expression | None = None
    right: Expression | None = None
    value: int = 0
    name: str = ""

    def evaluate(self, variables: Mapping[str, int]) -> int:
        """The value, modulo 2^32."""
        if self.operator == "constant":
            return self.value
        if self.operator == "variable":
            return variables[self.name]
        assert self.left is not None and self.right is not None
        return _apply(self.operator, self.left.evaluate(variables), self.right.evaluate(variables))

    def text(self, language: ExpressionLanguage) -> str:
        """The expression in a language, in parentheses where they are needed."""
        if self.operator == "constant":
            return unsigned(self.value) if language is ExpressionLanguage.C else str(self.value)
        if self.operator == "variable":
            return self.name
        assert self.left is not None and self.right is not None
        return _TEMPLATES[language][self.operator].format(a=self.left.text(language), b=self.right.text(language))


def draw_expression(random: Random, variables: Sequence[str], size: int) -> Expression:
    """An expression of about `size` operators over variables."""
    if size <= 0:
        return _leaf(random, variables)
    operator = random.choice(["+", "-", "*", "*", "^", "&", "|", "<<", ">>", "/", "%", "+", "^"])
    if operator in _CONSTANT_RANGES:
        low, high = _CONSTANT_RANGES[operator]
        right = Expression("constant", value=random.randint(low, high))
        return Expression(operator, draw_expression(random, variables, size - 1), right)
    share = random.randint(0, size - 1)
    return Expression(operator, draw_expression(random, variables, share), draw_expression(random, variables, size - 1 - share))


_CONSTANT_RANGES = {"*": (3, 0x7FFFFFFF), "<<": (1, 20), ">>": (1, 20), "/": (2, 1000), "%": (1000, 0x7FFFFFFF)}

_TEMPLATES = {
    ExpressionLanguage.C: {
        operator: "({a} " + operator + " {b})" for operator in ("+", "-", "*", "^", "&", "|", "<<", ">>", "/", "%")
    },
    ExpressionLanguage.LUA: {
        **{operator: "(({a} " + operator + " {b}) & 0xffffffff)" for operator in ("+", "-", "*", "<<")},
        **{operator: "({a} " + operator + " {b})" for operator in ("&", "|", ">>", "%")},
        "^": "({a} ~ {b})",
        "/": "({a} // {b})",
    },
    ExpressionLanguage.JAVASCRIPT: {
        **{operator: "(({a} " + operator + " {b}) >>> 0)" for operator in ("+", "-", "^", "&", "|", "<<")},
        "*": "multiply({a}, {b})",
        ">>": "({a} >>> {b})",
        "/": "Math.floor({a} / {b})",
        "%": "({a} % {b})",
    },
    ExpressionLanguage.SQL: {
        **{operator: "(({a} " + operator + " {b}) & 4294967295)" for operator in ("+", "-", "*", "<<")},
        **{operator: "({a} " + operator + " {b})" for operator in ("&", "|", ">>", "/", "%")},
        "^": "(({a} | {b}) - ({a} & {b}))",
    },
}


def _leaf(random: Random, variables: Sequence[str]) -> Expression:
    if random.random() < 0.7:
        return Expression("variable", name=random.choice(variables))
    return Expression("constant", value=random.randint(1, 0x7FFFFFFF))


def _apply(operator: str, a: int, b: int) -> int:
    match operator:
        case "+":
            return a + b & MASK
        case "-":
            return a - b & MASK
        case "*":
            return a * b & MASK
        case "^":
            return a ^ b
        case "&":
            return a & b
        case "|":
            return a | b
        case "<<":
            return a << b & MASK
        case ">>":
            return a >> b
        case "/":
            return a // b
        case _:
            return a % b
