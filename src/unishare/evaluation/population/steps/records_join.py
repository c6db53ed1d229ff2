"""The step that joins records with a table in a file."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from unishare.evaluation.population.c_text import MASK, fill
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.records import WordRecord, parse


class Join(Step):
    does = "look numbers up in a table in a file and join them to the records"
    takes = Shape.RECORDS
    gives = Shape.RECORDS

    def __init__(self, random: Random) -> None:
        self.rows = sorted({random.randint(0, 500): random.randint(1, 100_000) for _ in range(random.randint(20, 300))}.items())
        self.modulus = random.randint(300, 500)
        self.missing = random.randint(1, 1000)

    def files(self, name: str) -> Mapping[str, bytes]:
        return {f"{name}.tsv": "".join(f"{key}\t{value}\n" for key, value in self.rows).encode()}

    def c_source(self, name: str) -> str:
        return fill(
            """
            static uint32_t @name@_rows[@count@][2];

            /* Read the table when it is needed first. */
            static int @name@_load(void)
            {
                struct bytes text = {0};
                char *at;

                if (!read_file("/app/@name@.tsv", &text))
                    return 0;
                at = (char *)text.data;
                for (size_t i = 0; i < @count@; i++) {
                    @name@_rows[i][0] = (uint32_t)strtoul(at, &at, 10);
                    @name@_rows[i][1] = (uint32_t)strtoul(at, &at, 10);
                }
                free(text.data);
                return 1;
            }

            static uint32_t @name@_find(uint32_t key)
            {
                size_t low = 0, high = @count@;

                while (low < high) {
                    size_t middle = (low + high) / 2;

                    if (@name@_rows[middle][0] < key)
                        low = middle + 1;
                    else
                        high = middle;
                }
                return low < @count@ && @name@_rows[low][0] == key ? @name@_rows[low][1] : @missing@;
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct record record;

                if (!@name@_rows[0][1] && !@name@_load())
                    return 254;
                for (size_t at = 0; next_record(in, &at, &record); ) {
                    record.second += @name@_find(record.first % @modulus@);
                    write_record(out, &record);
                }
                return 0;
            }
            """,
            name=name, count=len(self.rows), missing=self.missing, modulus=self.modulus,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        rows = dict(self.rows)
        joined = (
            WordRecord(record.word, record.first, record.second + rows.get(record.first % self.modulus, self.missing) & MASK)
            for record in parse(data)
        )
        return "".join(record.line for record in joined).encode()
