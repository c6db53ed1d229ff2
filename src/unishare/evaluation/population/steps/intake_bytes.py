"""First steps that take plain text, hexadecimal digits, and binary fields with their lengths in front."""

from __future__ import annotations

from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import fill, literal
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Intake, Refusal


class Hexadecimal(Intake):
    does = "decode hexadecimal digits to bytes"
    gives = Shape.BYTES

    def __init__(self, random: Random) -> None:
        self.status = random.randint(2, 60)
        self.flip = random.randint(0, 255)
        self.message = random.choice(["not hexadecimal", "expected pairs of hexadecimal digits", "bad digits"])

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@_digit(int byte)
            {
                if (byte >= '0' && byte <= '9')
                    return byte - '0';
                byte |= 32;
                return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                for (size_t i = 0; i < in->size; i += 2) {
                    int high = @name@_digit(in->data[i]), low = i + 1 < in->size ? @name@_digit(in->data[i + 1]) : -1;

                    if (high < 0 || low < 0) {
                        refuse(out, @message@);
                        return @status@;
                    }
                    append_byte(out, (high << 4 | low) ^ @flip@);
                }
                return 0;
            }
            """,
            name=name,
            status=self.status,
            flip=self.flip,
            message=literal(self.message),
        )

    def evaluate(self, data: bytes) -> bytes:
        digits = data.decode("latin-1")
        if len(digits) % 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise Refusal(self.status, self.message)
        return bytes(byte ^ self.flip for byte in bytes.fromhex(digits))

    def good_request(self, random: Random) -> bytes:
        text = random.randbytes(random.randint(8, 60)).hex()
        return (text.upper() if random.random() < 0.3 else text).encode()

    def bad_request(self, random: Random) -> bytes:
        return self.good_request(random) + random.choice([b"0", b"0g", b" 00"])


class Fields(Intake):
    does = "decode binary fields with their lengths in front to lines"
    gives = Shape.TEXT

    def __init__(self, random: Random) -> None:
        self.width = random.choice([1, 2])
        self.big = random.random() < 0.5
        self.magic = bytes(random.randint(33, 126) for _ in range(random.randint(2, 4)))
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        bytes_of_length = ["in->data[at]", "in->data[at + 1]"][: self.width]
        if not self.big:
            bytes_of_length.reverse()
        return fill(
            """
            static const char @name@_magic[] = @magic@;

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                size_t at = sizeof @name@_magic - 1;

                if (in->size < at || memcmp(in->data, @name@_magic, at)) {
                    refuse(out, "not our format");
                    return @status@;
                }
                while (at < in->size) {
                    size_t length;

                    if (in->size - at < @width@)
                        goto cut;
                    length = @length@;
                    at += @width@;
                    if (in->size - at < length)
                        goto cut;
                    for (; length; length--, at++)
                        append_byte(out, in->data[at] >= ' ' && in->data[at] <= '~' ? in->data[at] : '?');
                    append_byte(out, '\\n');
                }
                return 0;
            cut:
                refuse(out, "a field is cut off");
                return @status@ + 1;
            }
            """,
            name=name,
            magic=literal(self.magic),
            status=self.status,
            width=self.width,
            length=" | ".join(f"(size_t){byte} << {8 * place}" for place, byte in enumerate(reversed(bytes_of_length))),
        )

    def evaluate(self, data: bytes) -> bytes:
        if not data.startswith(self.magic):
            raise Refusal(self.status, "not our format")
        at, out = len(self.magic), bytearray()
        while at < len(data):
            length = int.from_bytes(data[at : at + self.width], "big" if self.big else "little")
            start = at + self.width
            at = start + length
            if start > len(data) or at > len(data):
                raise Refusal(self.status + 1, "a field is cut off")
            out += bytes(byte if 32 <= byte <= 126 else 63 for byte in data[start:at]) + b"\n"
        return bytes(out)

    def good_request(self, random: Random) -> bytes:
        out = self.magic
        for _ in range(random.randint(2, 6)):
            field = vocabulary.sentence(random, random.randint(1, 6)).encode()
            out += len(field).to_bytes(self.width, "big" if self.big else "little") + field
        return out

    def bad_request(self, random: Random) -> bytes:
        return random.choice([b"?", self.good_request(random)[:-1], self.good_request(random) + b"\xff"])


class PlainText(Intake):
    does = "take printable text"
    gives = Shape.TEXT

    def __init__(self, random: Random) -> None:
        self.most = random.randint(1500, 4000)
        self.folds = random.random() < 0.4
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                if (in->size > @most@) {
                    refuse(out, @too_long@);
                    return @status@;
                }
                for (size_t i = 0; i < in->size; i++) {
                    int byte = in->data[i] == '\\t' ? ' ' : in->data[i];

                    if (byte != '\\n' && (byte < ' ' || byte > '~')) {
                        refuse(out, "unprintable byte at ");
                        append_number(out, (uint32_t)i);
                        return @status@;
                    }
                    append_byte(out, @byte@);
                }
                return 0;
            }
            """,
            name=name,
            most=self.most,
            status=self.status,
            too_long=literal(self._too_long),
            byte="byte >= 'A' && byte <= 'Z' ? byte + 32 : byte" if self.folds else "byte",
        )

    @property
    def _too_long(self) -> str:
        return f"more than {self.most} bytes"

    def evaluate(self, data: bytes) -> bytes:
        if len(data) > self.most:
            raise Refusal(self.status, self._too_long)
        text = data.replace(b"\t", b" ")
        for at, byte in enumerate(text):
            if byte != 10 and not 32 <= byte <= 126:
                raise Refusal(self.status, f"unprintable byte at {at}")
        return text.lower() if self.folds else text

    def good_request(self, random: Random) -> bytes:
        return vocabulary.paragraph(random).encode()

    def bad_request(self, random: Random) -> bytes:
        if random.random() < 0.2:
            return b"too long " * (self.most // 9 + 1)
        return self.good_request(random) + random.choice([b"\x00", b"\x1b[0m", b"\xc3\xa9"])
