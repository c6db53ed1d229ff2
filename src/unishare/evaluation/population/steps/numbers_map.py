"""Steps that turn each number into another: polynomials, switches, expressions, a machine with a program of its own."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population.c_text import MASK, fill, table, unsigned, words
from unishare.evaluation.population.expression import Expression, ExpressionLanguage, draw_expression
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step


def parse(data: bytes) -> list[int]:
    """The numbers of a `Shape.NUMBERS`."""
    return [int(number) for number in data.split(b" ")]


def unparse(values: list[int]) -> bytes:
    """A `Shape.NUMBERS`."""
    return " ".join(map(str, values)).encode()


class NumbersStep(Step):
    does = "numbers to numbers"
    takes = Shape.NUMBERS
    gives = Shape.NUMBERS

    def evaluate(self, data: bytes) -> bytes:
        return unparse(self.values(parse(data)))

    def values(self, numbers: list[int]) -> list[int]:
        """The step on parsed numbers."""
        raise NotImplementedError

    def _in_place(self, name: str, body: str, before: str = "", declarations: str = "") -> str:
        """C that works on the parsed numbers in `numbers` and writes them back."""
        return fill(
            """
            @before@
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers;
                @declarations@

                read_numbers(in, &numbers);
                @body@
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name,
            before=before,
            declarations=declarations,
            body=body,
        )


class Polynomial(NumbersStep):
    does = "evaluate a polynomial at each number"

    def __init__(self, random: Random) -> None:
        self.coefficients = [random.randint(1, MASK) for _ in range(random.randint(3, 24))]

    def c_source(self, name: str) -> str:
        lines = [f"y = y * x + {unsigned(coefficient)};" for coefficient in self.coefficients[1:]]
        before = fill(
            """
            static uint32_t @name@_at(uint32_t x)
            {
                uint32_t y = @first@;

                @lines@
                return y;
            }
            """,
            name=name,
            first=unsigned(self.coefficients[0]),
            lines="\n".join(lines),
        )
        return self._in_place(
            name, f"for (size_t i = 0; i < numbers.count; i++)\n    numbers.at[i] = {name}_at(numbers.at[i]);", before
        )

    def values(self, numbers: list[int]) -> list[int]:
        return [self._at(x) for x in numbers]

    def _at(self, x: int) -> int:
        y = self.coefficients[0]
        for coefficient in self.coefficients[1:]:
            y = (y * x + coefficient) & MASK
        return y


class Switch(NumbersStep):
    does = "treat each number by the case that its remainder selects"

    def __init__(self, random: Random) -> None:
        self.modulus = random.randint(5, 31)
        count = random.randint(3, min(self.modulus, 16))
        self.cases = {
            remainder: draw_expression(random, ["x", "i", "last"], random.randint(1, 4))
            for remainder in sorted(random.sample(range(self.modulus), count))
        }
        self.otherwise = draw_expression(random, ["x", "i"], 2)

    def c_source(self, name: str) -> str:
        cases = [f"case {remainder}:\n    return {case.text(ExpressionLanguage.C)};" for remainder, case in self.cases.items()]
        before = fill(
            """
            static uint32_t @name@_case(uint32_t x, uint32_t i, uint32_t last)
            {
                switch (x % @modulus@) {
                @cases@
                default:
                    return @otherwise@;
                }
            }
            """,
            name=name,
            modulus=self.modulus,
            cases="\n".join(cases),
            otherwise=self.otherwise.text(ExpressionLanguage.C),
        )
        body = f"""for (size_t i = 0; i < numbers.count; i++)
    numbers.at[i] = last = {name}_case(numbers.at[i], (uint32_t)i, last);"""
        return self._in_place(name, body, before, "uint32_t last = 0;")

    def values(self, numbers: list[int]) -> list[int]:
        last, out = 0, []
        for i, x in enumerate(numbers):
            last = self.cases.get(x % self.modulus, self.otherwise).evaluate({"x": x, "i": i, "last": last})
            out.append(last)
        return out


class Formulas(NumbersStep):
    does = "compute several formulas of each number and its neighbours and mix them"

    def __init__(self, random: Random) -> None:
        self.formulas = [
            draw_expression(random, ["x", "before", "i"], random.randint(3, 7)) for _ in range(random.randint(2, 6))
        ]
        self.multiplier = random.randint(1, MASK) | 1

    def c_source(self, name: str) -> str:
        functions = [
            f"static uint32_t {name}_{number}(uint32_t x, uint32_t before, uint32_t i)\n{{\n"
            f"    (void)before, (void)i, (void)x;\n    return {formula.text(ExpressionLanguage.C)};\n}}\n"
            for number, formula in enumerate(self.formulas)
        ]
        calls = [
            f"y = y * {unsigned(self.multiplier)} + {name}_{number}(x, before, (uint32_t)i);"
            for number in range(len(functions))
        ]
        body = fill(
            """
            for (size_t i = 0; i < numbers.count; i++) {
                uint32_t x = numbers.at[i], y = 0;

                @calls@
                before = x;
                numbers.at[i] = y;
            }
            """,
            calls="\n".join(calls),
        )
        return self._in_place(name, body, "\n".join(functions), "uint32_t before = 0;")

    def values(self, numbers: list[int]) -> list[int]:
        before, out = 0, []
        for i, x in enumerate(numbers):
            y = 0
            for formula in self.formulas:
                y = (y * self.multiplier + formula.evaluate({"x": x, "before": before, "i": i})) & MASK
            before = x
            out.append(y)
        return out


class StackMachine(NumbersStep):
    does = "run a program of its own on a small stack machine for each number"
    PUSH, ADD, SUBTRACT, MULTIPLY, XOR, SWAP, DUPLICATE, ROTATE, INPUT = range(9)

    def __init__(self, random: Random) -> None:
        self.program: list[int] = []
        depth = 0
        for _ in range(random.randint(12, 60)):
            choices = [self.PUSH, self.INPUT] if depth < 6 else []
            if depth >= 1:
                choices += [self.DUPLICATE] if depth < 6 else []
                choices += [self.ROTATE]
            if depth >= 2:
                choices += [self.ADD, self.SUBTRACT, self.MULTIPLY, self.XOR, self.SWAP]
            operation = random.choice(choices)
            operand = (
                random.randint(0, MASK) if operation == self.PUSH else random.randint(1, 31) if operation == self.ROTATE else 0
            )
            self.program += [operation, operand]
            depth += {self.PUSH: 1, self.INPUT: 1, self.DUPLICATE: 1, self.SWAP: 0, self.ROTATE: 0}.get(operation, -1)
        order = list(range(9))
        random.shuffle(order)
        self.codes = order

    def c_source(self, name: str) -> str:
        encoded = [self.codes[word] if at % 2 == 0 else word for at, word in enumerate(self.program)]
        code = self.codes
        before = fill(
            """
            static const uint32_t @name@_program[] = {
                @program@
            };

            static uint32_t @name@_run(uint32_t input)
            {
                uint32_t stack[8] = {0}, *top = stack, swapped;

                for (size_t pc = 0; pc < sizeof @name@_program / sizeof *@name@_program; pc += 2) {
                    uint32_t operand = @name@_program[pc + 1];

                    switch (@name@_program[pc]) {
                    case @push@: *++top = operand; break;
                    case @add@: top--; top[0] += top[1]; break;
                    case @subtract@: top--; top[0] -= top[1]; break;
                    case @multiply@: top--; top[0] *= top[1]; break;
                    case @xor@: top--; top[0] ^= top[1]; break;
                    case @swap@: swapped = top[0]; top[0] = top[-1]; top[-1] = swapped; break;
                    case @duplicate@: top[1] = top[0]; top++; break;
                    case @rotate@: *top = *top << operand | *top >> (32 - operand); break;
                    case @input@: *++top = input; break;
                    }
                }
                return *top;
            }
            """,
            name=name, program=words(encoded), push=code[self.PUSH], add=code[self.ADD], subtract=code[self.SUBTRACT],
            multiply=code[self.MULTIPLY], xor=code[self.XOR], swap=code[self.SWAP], duplicate=code[self.DUPLICATE],
            rotate=code[self.ROTATE], input=code[self.INPUT],
        )  # fmt: skip
        body = f"for (size_t i = 0; i < numbers.count; i++)\n    numbers.at[i] = {name}_run(numbers.at[i]);"
        return self._in_place(name, body, before)

    def values(self, numbers: list[int]) -> list[int]:
        return [self._run(number) for number in numbers]

    def _run(self, value: int) -> int:
        stack: list[int] = []
        for operation, operand in zip(self.program[::2], self.program[1::2], strict=True):
            if operation == self.PUSH:
                stack.append(operand)
            elif operation == self.INPUT:
                stack.append(value)
            elif operation == self.DUPLICATE:
                stack.append(stack[-1])
            elif operation == self.ROTATE:
                stack[-1] = (stack[-1] << operand | stack[-1] >> (32 - operand)) & MASK
            elif operation == self.SWAP:
                stack[-1], stack[-2] = stack[-2], stack[-1]
            else:
                right, left = stack.pop(), stack.pop()
                stack.append(self._combine(operation, left, right))
        return stack[-1]

    def _combine(self, operation: int, left: int, right: int) -> int:
        if operation == self.ADD:
            return (left + right) & MASK
        if operation == self.SUBTRACT:
            return (left - right) & MASK
        return (left * right) & MASK if operation == self.MULTIPLY else left ^ right


class Keep(NumbersStep):
    does = "keep the numbers that satisfy a condition"

    def __init__(self, random: Random) -> None:
        self.condition: Expression = draw_expression(random, ["x"], random.randint(1, 3))
        self.modulus = random.randint(3, 11)
        self.remainders = sorted(random.sample(range(self.modulus), random.randint(self.modulus // 2 + 1, self.modulus - 1)))
        self.replacement = random.randint(1, 99_999)

    def c_source(self, name: str) -> str:
        marks = table(int(remainder in self.remainders) for remainder in range(self.modulus))
        body = fill(
            """
            for (size_t i = 0; i < numbers.count; i++) {
                uint32_t x = numbers.at[i];

                if (kept[@condition@ % @modulus@])
                    numbers.at[count++] = x;
            }
            if (!count)
                numbers.at[count++] = @replacement@;
            numbers.count = count;
            """,
            condition=self.condition.text(ExpressionLanguage.C),
            modulus=self.modulus,
            replacement=self.replacement,
        )
        return self._in_place(name, body, declarations=f"static const char kept[] = {{{marks}}};\nsize_t count = 0;")

    def values(self, numbers: list[int]) -> list[int]:
        satisfying = [x for x in numbers if self.condition.evaluate({"x": x}) % self.modulus in self.remainders]
        return satisfying or [self.replacement]
