"""Random small programs on numbers, the same in Lua, JavaScript and Python: branches, a table, a loop."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import MASK
from unishare.evaluation.population.expression import JAVASCRIPT_MULTIPLY, Expression, ExpressionLanguage, draw_expression


class Branch:
    """A function of x and i that chooses between two expressions."""

    def __init__(self, random: Random) -> None:
        self.modulus = random.randint(3, 20)
        self.bound = random.randint(1, self.modulus - 1)
        self.then, self.otherwise = (draw_expression(random, ["x", "i"], random.randint(2, 5)) for _ in range(2))

    def evaluate(self, x: int, i: int) -> int:
        """The chosen expression's value."""
        chosen = self.then if x % self.modulus < self.bound else self.otherwise
        return chosen.evaluate({"x": x, "i": i})


class Program:
    """A function of a number and its place."""

    def __init__(self, random: Random) -> None:
        self.branches = [Branch(random) for _ in range(random.randint(1, 5))]
        self.table = [random.randint(0, MASK) for _ in range(random.randint(3, 17))]
        self.rounds = random.randint(1, 8)
        self.last: Expression = draw_expression(random, ["x", "y"], random.randint(1, 4))

    def evaluate(self, x: int, i: int) -> int:
        """What the scripts return."""
        y = x
        for branch in self.branches:
            y = branch.evaluate(y, i)
        for _ in range(self.rounds):
            y = y ^ self.table[y % len(self.table)]
            y = y * 5 + i & MASK
        return self.last.evaluate({"x": x, "y": y})

    def lua(self) -> str:
        """A chunk that returns the function."""
        branches = [
            f"local function branch{number}(x, i)\n  if x % {branch.modulus} < {branch.bound} then\n"
            f"    return {branch.then.text(ExpressionLanguage.LUA)}\n  end\n  return {branch.otherwise.text(ExpressionLanguage.LUA)}\nend\n"
            for number, branch in enumerate(self.branches)
        ]
        calls = [f"  y = branch{number}(y, i)" for number in range(len(branches))]
        return "\n".join(
            [
                f"local values = {{{', '.join(map(str, self.table))}}}",
                *branches,
                "return function(x, i)", "  local y = x", *calls,
                f"  for round = 1, {self.rounds} do",
                "    y = y ~ values[y % #values + 1]",
                "    y = (y * 5 + i) & 0xffffffff",
                "  end", f"  return {self.last.text(ExpressionLanguage.LUA)}", "end", "",
            ]
        )  # fmt: skip

    def javascript(self) -> str:
        """A script that defines the function `answer`."""
        branches = [
            f"function branch{number}(x, i) {{\n  if (x % {branch.modulus} < {branch.bound})\n"
            f"    return {branch.then.text(ExpressionLanguage.JAVASCRIPT)};\n  return {branch.otherwise.text(ExpressionLanguage.JAVASCRIPT)};\n}}\n"
            for number, branch in enumerate(self.branches)
        ]
        calls = [f"  y = branch{number}(y, i);" for number in range(len(branches))]
        return "\n".join(
            [
                f"var values = [{', '.join(map(str, self.table))}];",
                JAVASCRIPT_MULTIPLY,
                *branches,
                "function answer(x, i) {", "  var y = x;", *calls,
                f"  for (var round = 0; round < {self.rounds}; round++) {{",
                "    y = (y ^ values[y % values.length]) >>> 0;",
                "    y = (y * 5 + i) % 4294967296;",
                "  }", f"  return {self.last.text(ExpressionLanguage.JAVASCRIPT)};", "}", "",
            ]
        )  # fmt: skip
