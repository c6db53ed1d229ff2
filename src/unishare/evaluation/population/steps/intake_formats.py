"""First steps that parse documents and protocols by libraries: XML, YAML, HTTP."""

from __future__ import annotations

from random import Random
from xml.etree import ElementTree

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import fill, literal
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Intake, Refusal


class XmlIntake(Intake):
    does = "parse XML by Expat and take the attributes of an element"
    gives = Shape.RECORDS
    libraries = ("expat",)
    headers = ("expat.h",)

    def __init__(self, random: Random) -> None:
        self.root, self.item, self.other, self.word, self.first, self.second = vocabulary.different_words(random, 6)
        self.status = random.randint(2, 60)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static void @name@_start(void *out, const XML_Char *element, const XML_Char **attributes)
            {
                struct record record = {(const unsigned char *)"", 0, 0, 0};

                if (strcmp(element, @item@))
                    return;
                for (; *attributes; attributes += 2) {
                    if (!strcmp(attributes[0], @word@)) {
                        record.word = (const unsigned char *)attributes[1];
                        record.length = strlen(attributes[1]);
                    } else if (!strcmp(attributes[0], @first@)) {
                        record.first = (uint32_t)strtoul(attributes[1], NULL, 10);
                    } else if (!strcmp(attributes[0], @second@)) {
                        record.second = (uint32_t)strtoul(attributes[1], NULL, 10);
                    }
                }
                write_record(out, &record);
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                XML_Parser parser = XML_ParserCreate(NULL);
                int parsed;

                if (!parser)
                    return 255;
                XML_SetUserData(parser, out);
                XML_SetStartElementHandler(parser, @name@_start);
                parsed = XML_Parse(parser, (char *)in->data, (int)in->size, 1) == XML_STATUS_OK;
                XML_ParserFree(parser);
                if (!parsed)
                    refuse(out, "not XML");
                return parsed ? 0 : @status@;
            }
            """,
            name=name, item=literal(self.item), word=literal(self.word), first=literal(self.first),
            second=literal(self.second), status=self.status,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        try:
            root = ElementTree.fromstring(data)
        except ElementTree.ParseError:
            raise Refusal(self.status, "not XML") from None
        return "".join(
            f"{element.get(self.word, '')},{element.get(self.first, 0)},{element.get(self.second, 0)}\n"
            for element in root.iter(self.item)
        ).encode()

    def good_request(self, random: Random) -> bytes:
        lines = [f"<{self.root}>"]
        for _ in range(random.randint(3, 8)):
            first = f' {self.first}="{random.randint(0, 5000)}"' if random.random() < 0.9 else ""
            second = f' {self.second}="{random.randint(0, 10**6)}"'
            lines.append(f'  <{self.item} {self.word}="{vocabulary.word(random)}"{first}{second}/>')
            if random.random() < 0.3:
                lines.append(f"  <{self.other}>{vocabulary.sentence(random, 3)} &amp; more</{self.other}>")
        return "\n".join([*lines, f"</{self.root}>"]).encode()

    def bad_request(self, random: Random) -> bytes:
        request = self.good_request(random)
        return random.choice([request[:-4], b"no markup", request.replace(b"</", b"<?", 1)])


class YamlIntake(Intake):
    does = "parse a flat YAML mapping by libyaml"
    gives = Shape.PAIRS
    libraries = ("libyaml",)
    headers = ("yaml.h",)

    def __init__(self, random: Random) -> None:
        self.status = random.randint(2, 60)
        self.message = f"not a flat mapping, {vocabulary.word(random)}"

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                int depth = 0, scalars = 0, good = 1, last = 0;
                yaml_parser_t parser;

                if (!yaml_parser_initialize(&parser))
                    return 255;
                yaml_parser_set_input_string(&parser, in->data, in->size);
                while (good && !last) {
                    yaml_event_t event;

                    if (!yaml_parser_parse(&parser, &event)) {
                        good = 0;
                        break;
                    }
                    if (event.type == YAML_SCALAR_EVENT) {
                        good = depth == 1;
                        append(out, event.data.scalar.value, event.data.scalar.length);
                        append_byte(out, scalars++ % 2 ? '\\n' : '=');
                    } else if (event.type == YAML_MAPPING_START_EVENT) {
                        good = ++depth == 1;
                    } else if (event.type == YAML_SEQUENCE_START_EVENT) {
                        good = 0;
                    }
                    last = event.type == YAML_STREAM_END_EVENT;
                    yaml_event_delete(&event);
                }
                yaml_parser_delete(&parser);
                if (!good)
                    refuse(out, @message@);
                return good ? 0 : @status@;
            }
            """,
            name=name,
            message=literal(self.message),
            status=self.status,
        )

    def evaluate(self, data: bytes) -> bytes:
        """Only what `good_request` writes; anything with a bracket is refused."""
        text = data.decode()
        if "[" in text:
            raise Refusal(self.status, self.message)
        lines = [line for line in text.splitlines() if line and not line.startswith(("#", "---"))]
        pairs = (line.split(":", 1) for line in lines)
        return "".join(f"{key.strip()}={value.strip().strip(chr(34)).strip(chr(39))}\n" for key, value in pairs).encode()

    def good_request(self, random: Random) -> bytes:
        lines = ["---"] if random.random() < 0.5 else []
        for key in vocabulary.different_words(random, random.randint(4, 9)):
            if random.random() < 0.2:
                lines.append(f"# {vocabulary.sentence(random, 3)}")
            value = random.choice([vocabulary.word(random), str(random.randint(0, 9999)), f'"{vocabulary.word(random)}"',
                                   f"'{random.randint(0, 99)}'"])  # fmt: skip
            lines.append(f"{key}:{' ' * random.randint(1, 3)}{value}")
        return ("\n".join(lines) + "\n").encode()

    def bad_request(self, random: Random) -> bytes:
        return self.good_request(random) + random.choice([b"list: [1, 2]\n", b"open: [1, 2\n", b"deep: {er: [1]}\n"])


class HttpIntake(Intake):
    does = "parse an HTTP request by http-parser"
    gives = Shape.PAIRS
    libraries = ("http-parser",)
    headers = ("http_parser.h",)

    def __init__(self, random: Random) -> None:
        self.status = random.randint(2, 60)
        self.url_key, self.body_key = vocabulary.different_words(random, 2)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@_take(struct bytes *out, const char *text, size_t size, int end)
            {
                for (size_t i = 0; i < size; i++)
                    if ((text[i] >= '0' && text[i] <= '9') || ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z'))
                        append_byte(out, end == '=' ? text[i] | 32 : text[i]);
                append_byte(out, end);
                return 0;
            }

            static int @name@_url(http_parser *parser, const char *text, size_t size)
            {
                append_text(parser->data, @url_key@);
                return @name@_take(parser->data, text, size, '\\n');
            }

            static int @name@_field(http_parser *parser, const char *text, size_t size)
            {
                return @name@_take(parser->data, text, size, '=');
            }

            static int @name@_value(http_parser *parser, const char *text, size_t size)
            {
                return @name@_take(parser->data, text, size, '\\n');
            }

            static int @name@_body(http_parser *parser, const char *text, size_t size)
            {
                append_text(parser->data, @body_key@);
                return @name@_take(parser->data, text, size, '\\n');
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                http_parser_settings settings;
                http_parser parser;

                http_parser_settings_init(&settings);
                settings.on_url = @name@_url;
                settings.on_header_field = @name@_field;
                settings.on_header_value = @name@_value;
                settings.on_body = @name@_body;
                http_parser_init(&parser, HTTP_REQUEST);
                parser.data = out;
                if (http_parser_execute(&parser, &settings, (char *)in->data, in->size) == in->size)
                    return 0;
                refuse(out, "not HTTP");
                return @status@;
            }
            """,
            name=name, url_key=literal(f"{self.url_key}="), body_key=literal(f"{self.body_key}="), status=self.status,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        head, _, body = data.decode().partition("\r\n\r\n")
        first, *headers = head.split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[0].isupper() or parts[2] != "HTTP/1.1":
            raise Refusal(self.status, "not HTTP")
        out = f"{self.url_key}={_plain(parts[1])}\n"
        for header in headers:
            name, _, value = header.partition(":")
            out += f"{_plain(name).lower()}={_plain(value)}\n"
        return (out + (f"{self.body_key}={_plain(body)}\n" if body else "")).encode()

    def good_request(self, random: Random) -> bytes:
        body = vocabulary.sentence(random, random.randint(1, 8)) if random.random() < 0.5 else ""
        query = "&".join(f"{vocabulary.word(random)}={random.randint(0, 999)}" for _ in range(random.randint(1, 3)))
        lines = [f"{'POST' if body else 'GET'} /{vocabulary.word(random)}?{query} HTTP/1.1", f"Host: {vocabulary.word(random)}"]
        lines += [f"X-{vocabulary.word(random).capitalize()}: {random.randint(0, 99_999)}" for _ in range(random.randint(1, 5))]
        lines += [f"Content-Length: {len(body)}"] if body else []
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def bad_request(self, random: Random) -> bytes:
        return random.choice([b"hello there\r\n\r\n", b"GET /x HTTP/x.y\r\n\r\n", b" / HTTP/1.1\r\n\r\n"])


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isalnum())
