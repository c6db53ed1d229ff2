"""Steps that write markup by libraries."""

from __future__ import annotations

from random import Random
from typing import ClassVar

from unishare.evaluation.population.c_text import fill, literal, table
from unishare.evaluation.population.steps.text_edit import TextStep


class Markdown(TextStep):
    does = "make a Markdown document of the lines and turn it into HTML by MD4C"
    libraries = ("md4c",)
    headers = ("md4c-html.h",)
    grows = True
    # A block of Markdown and its HTML; a list's lines are its words.
    _BLOCKS: ClassVar[dict[str, tuple[str, str, str, str]]] = {
        "h1": ("# ", "\n\n", "<h1>", "</h1>\n"),
        "h3": ("### ", "\n\n", "<h3>", "</h3>\n"),
        "paragraph": ("", "\n\n", "<p>", "</p>\n"),
        "emphasis": ("so *", "* it is\n\n", "<p>so <em>", "</em> it is</p>\n"),
        "strong": ("**", "**\n\n", "<p><strong>", "</strong></p>\n"),
        "quote": ("> ", "\n\n", "<blockquote>\n<p>", "</p>\n</blockquote>\n"),
        "code": ("```\n", "\n```\n\n", "<pre><code>", "\n</code></pre>\n"),
        "link": ("[", "](/here)\n\n", '<p><a href="/here">', "</a></p>\n"),
        "rule": ("", "\n\n---\n\n", "<p>", "</p>\n<hr>\n"),
        "item": ("- ", "\n\n", "<ul>\n<li>", "</li>\n</ul>\n"),
    }

    def __init__(self, random: Random) -> None:
        # Items next to each other would become one list: one kind of block never follows itself.
        self.blocks = random.sample(list(self._BLOCKS), random.randint(2, 6))
        self.most = random.randint(6, 30)

    def c_source(self, name: str) -> str:
        blocks = [self._BLOCKS[block] for block in self.blocks]
        return fill(
            """
            static void @name@_take(const MD_CHAR *text, MD_SIZE size, void *out)
            {
                append(out, text, size);
            }

            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const char *const before[] = {@before@};
                static const char *const after[] = {@after@};
                struct bytes document = {0};
                size_t blocks = 0;
                int failed;

                for (size_t at = 0, end; at < in->size && blocks < @most@; at = end + 1) {
                    size_t kept = 0;

                    end = at + line_length(in, at);
                    for (size_t i = at; i < end; i++) {
                        int byte = in->data[i];

                        if ((byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z')) {
                            if (!kept++)
                                append_text(&document, before[blocks % @count@]);
                            append_byte(&document, byte);
                        }
                    }
                    if (kept)
                        append_text(&document, after[blocks++ % @count@]);
                }
                append(&document, "", 0);
                failed = md_html((MD_CHAR *)document.data, (MD_SIZE)document.size, @name@_take, out, 0, 0);
                free(document.data);
                return failed ? 254 : 0;
            }
            """,
            name=name, before=table(literal(block[0]) for block in blocks), after=table(literal(block[1]) for block in blocks),
            most=self.most, count=len(blocks),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        lines = ("".join(character for character in line if character.isalnum()) for line in data.decode().split("\n"))
        out = ""
        for number, line in enumerate([line for line in lines if line][: self.most]):
            _, _, before, after = self._BLOCKS[self.blocks[number % len(self.blocks)]]
            out += before + line + after
        return out.encode()
