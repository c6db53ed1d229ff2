"""All steps there are. A step is drawn when it is listed here, and listed when its libraries are in the catalogue."""

from __future__ import annotations

from unishare.population.step import Intake, Step
from unishare.population.steps import (
    ciphers,
    digest,
    intake_bytes,
    intake_lines,
    numbers_map,
    numbers_text,
    numbers_whole,
    pairs,
    records,
    text_edit,
    text_machines,
)

INTAKES: tuple[type[Intake], ...] = (
    intake_lines.NumberList,
    intake_lines.Columns,
    intake_lines.KeyValue,
    intake_lines.PlainText,
    intake_bytes.Hexadecimal,
    intake_bytes.Fields,
)

PLAIN_STEPS: tuple[type[Step], ...] = (
    numbers_map.Polynomial,
    numbers_map.Switch,
    numbers_map.Formulas,
    numbers_map.StackMachine,
    numbers_map.Keep,
    numbers_whole.Sort,
    numbers_whole.Matrix,
    numbers_whole.Convolution,
    numbers_whole.Recurrence,
    numbers_whole.Power,
    numbers_whole.Histogram,
    numbers_whole.Statistics,
    numbers_text.Dates,
    numbers_text.Numerals,
    numbers_text.Spell,
    numbers_text.Ledger,
    text_edit.Alphabet,
    text_edit.WordShuffle,
    text_edit.Runs,
    text_edit.Lines,
    text_edit.Nearest,
    text_machines.Automaton,
    text_machines.Quoting,
    text_machines.WordHashes,
    text_machines.FindNumbers,
    text_machines.Frequency,
    digest.Fnv,
    digest.Checksums,
    digest.CyclicCode,
    digest.Radix64,
    ciphers.KeyStream,
    ciphers.Boxes,
    ciphers.Blocks,
    records.GroupSum,
    records.Select,
    records.Join,
    records.Column,
    records.Report,
    pairs.Weigh,
    pairs.Letter,
    pairs.Translate,
)

LIBRARY_STEPS: tuple[type[Step], ...] = ()
