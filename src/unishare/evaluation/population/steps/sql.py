"""Steps that ask an SQLite database in memory; the oracle is SQLite as well, the one in Python."""

from __future__ import annotations

import sqlite3
from random import Random
from typing import Any

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import MASK, fill, literal
from unishare.evaluation.population.expression import ExpressionLanguage, draw_expression
from unishare.evaluation.population.shapes import NUMBERS_MAX, Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps import records
from unishare.evaluation.population.steps.numbers_map import parse

# Opens the database and prepares both statements when they are needed first; they stay for the instance's life.
_DATABASE = """
    static sqlite3_stmt *@name@_insert, *@name@_query;
    static sqlite3 *@name@_database;

    static int @name@_open(void)
    {
        static const char schema[] = @schema@;

        if (@name@_query)
            return sqlite3_exec(@name@_database, "DELETE FROM data", NULL, NULL, NULL) == SQLITE_OK;
        return sqlite3_open(":memory:", &@name@_database) == SQLITE_OK
            && sqlite3_exec(@name@_database, schema, NULL, NULL, NULL) == SQLITE_OK
            && sqlite3_prepare_v2(@name@_database, @insert@, -1, &@name@_insert, NULL) == SQLITE_OK
            && sqlite3_prepare_v2(@name@_database, @query@, -1, &@name@_query, NULL) == SQLITE_OK;
    }
"""


class SqlStep(Step):
    does = "fill a table and ask it a query"
    libraries = ("sqlite",)
    headers = ("sqlite3.h",)
    schema: str
    insert: str
    query: str

    def _c_database(self, name: str) -> str:
        return fill(_DATABASE, name=name, schema=literal(self.schema), insert=literal(self.insert), query=literal(self.query))

    def _rows(self, data: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        database = sqlite3.connect(":memory:")
        try:
            database.executescript(self.schema)
            database.executemany(self.insert, data)
            return database.execute(self.query).fetchall()
        finally:
            database.close()


class SqlNumbers(SqlStep):
    does = "ask SQLite about the numbers"
    takes = Shape.NUMBERS
    gives = Shape.NUMBERS

    def __init__(self, random: Random) -> None:
        key, value, condition = (
            draw_expression(random, ["x", "i"], random.randint(1, 4)).text(ExpressionLanguage.SQL) for _ in range(3)
        )
        modulus = random.randint(3, 9)
        index = f"CREATE INDEX by_x ON data (x % {random.randint(2, 50)});" if random.random() < 0.4 else ""
        self.schema = f"CREATE TABLE data (i INTEGER PRIMARY KEY, x INTEGER);{index}"
        self.insert = "INSERT INTO data VALUES (?, ?)"
        self.query = random.choice(
            [
                f"SELECT {value} FROM data WHERE {condition} % {modulus} <> {random.randrange(modulus)} "
                f"ORDER BY {key} % {modulus * 7}, i LIMIT {random.randint(5, 60)}",
                f"SELECT sum({value}) & {MASK} FROM data GROUP BY {key} % {modulus} ORDER BY count(*) DESC, 1",
                f"SELECT max({value}) FROM data GROUP BY i / {modulus} UNION ALL SELECT min({key}) FROM data ORDER BY 1",
                f"SELECT (sum({value}) OVER (ORDER BY i ROWS {modulus} PRECEDING)) & {MASK} FROM data ORDER BY i",
                f"WITH kept AS (SELECT i, {key} AS x FROM data WHERE x % {modulus} <> 0) "
                f"SELECT {value} FROM kept ORDER BY i DESC LIMIT {random.randint(10, 50)}",
            ]
        )
        self.otherwise = random.randint(0, 9999)

    def c_source(self, name: str) -> str:
        return fill(
            """
            @database@

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct numbers numbers;

                if (!@name@_open())
                    return 254;
                read_numbers(in, &numbers);
                for (size_t i = 0; i < numbers.count; i++) {
                    sqlite3_bind_int64(@name@_insert, 1, (sqlite3_int64)i);
                    sqlite3_bind_int64(@name@_insert, 2, numbers.at[i]);
                    if (sqlite3_step(@name@_insert) != SQLITE_DONE)
                        return 253;
                    sqlite3_reset(@name@_insert);
                }
                numbers.count = 0;
                while (sqlite3_step(@name@_query) == SQLITE_ROW)
                    if (numbers.count < @most@)
                        numbers.at[numbers.count++] = (uint32_t)sqlite3_column_int64(@name@_query, 0);
                sqlite3_reset(@name@_query);
                if (!numbers.count)
                    numbers.at[numbers.count++] = @otherwise@;
                write_numbers(&numbers, out);
                return 0;
            }
            """,
            name=name, database=self._c_database(name), most=NUMBERS_MAX, otherwise=self.otherwise,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        rows = self._rows(list(enumerate(parse(data))))[:NUMBERS_MAX]
        return " ".join(str(row[0]) for row in rows or [(self.otherwise,)]).encode()


class SqlRecords(SqlStep):
    does = "ask SQLite about the records, together with a table of its own"
    takes = Shape.RECORDS
    gives = Shape.RECORDS

    def __init__(self, random: Random) -> None:
        modulus = random.randint(3, 12)
        rates = [(key, random.randint(1, 1000), vocabulary.word(random)) for key in range(modulus)]
        rows = ", ".join(f"({key}, {rate}, '{word}')" for key, rate, word in rates)
        formula = draw_expression(random, ["first", "second", "rate"], random.randint(1, 4)).text(ExpressionLanguage.SQL)
        self.schema = (
            "CREATE TABLE data (word TEXT, first INTEGER, second INTEGER);"
            f"CREATE TABLE rates (key INTEGER PRIMARY KEY, rate INTEGER, label TEXT); INSERT INTO rates VALUES {rows};"
        )
        self.insert = "INSERT INTO data VALUES (?, ?, ?)"
        joined = f"FROM data JOIN rates ON key = first % {modulus}"
        self.query = random.choice(
            [
                f"SELECT word, sum({formula}) & {MASK}, count(*) {joined} GROUP BY word ORDER BY word",
                f"SELECT word || label, {formula}, rate {joined} ORDER BY 2, 1, second LIMIT {random.randint(6, 40)}",
                f"SELECT label, max({formula}), count(DISTINCT word) {joined} GROUP BY label ORDER BY 3 DESC, 1",
                f"SELECT upper(word), first, {formula} {joined} WHERE second % {modulus} <> 1 ORDER BY first, second, word",
            ]
        )

    def c_source(self, name: str) -> str:
        return fill(
            """
            @database@

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct record record;

                if (!@name@_open())
                    return 254;
                for (size_t at = 0; next_record(in, &at, &record); ) {
                    sqlite3_bind_text(@name@_insert, 1, (const char *)record.word, (int)record.length, SQLITE_STATIC);
                    sqlite3_bind_int64(@name@_insert, 2, record.first);
                    sqlite3_bind_int64(@name@_insert, 3, record.second);
                    if (sqlite3_step(@name@_insert) != SQLITE_DONE)
                        return 253;
                    sqlite3_reset(@name@_insert);
                }
                while (sqlite3_step(@name@_query) == SQLITE_ROW) {
                    record.word = sqlite3_column_text(@name@_query, 0);
                    record.length = (size_t)sqlite3_column_bytes(@name@_query, 0);
                    record.first = (uint32_t)sqlite3_column_int64(@name@_query, 1);
                    record.second = (uint32_t)sqlite3_column_int64(@name@_query, 2);
                    write_record(out, &record);
                }
                sqlite3_reset(@name@_query);
                return 0;
            }
            """,
            name=name, database=self._c_database(name),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        rows = self._rows([(record.word, record.first, record.second) for record in records.parse(data)])
        return "".join(records.WordRecord(*row).line for row in rows).encode()
