"""Steps that compress text by a library, decompress it again and hash what came back."""

from __future__ import annotations

from abc import abstractmethod
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import MASK, fill, literal, unsigned
from unishare.evaluation.population.steps.text_edit import TextStep


class RoundTrip(TextStep):
    does = "compress and decompress"

    def __init__(self, random: Random) -> None:
        self.primer = vocabulary.sentence(random, random.randint(4, 40)) + "\n"
        self.level = random.randint(1, 6)
        self.factor = random.randint(1, MASK) | 1
        self.label = vocabulary.word(random)

    @abstractmethod
    def compress(self) -> str:
        """C that compresses `plain` into `packed` (with room for `bound` bytes), sets `packed.size`, or goes to `failed`."""

    @abstractmethod
    def decompress(self) -> str:
        """C that decompresses `packed` into `back` (with room for plain.size bytes), sets `back.size`, or goes to `failed`."""

    bound = "plain.size + plain.size / 50 + 1024"

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                struct bytes plain = {0}, packed = {0}, back = {0};
                uint32_t hash = @level@;
                int status = 253;

                append_text(&plain, @primer@);
                append(&plain, in->data, in->size);
                reserve(&packed, @bound@);
                reserve(&back, plain.size);
                {
                    @compress@
                }
                {
                    @decompress@
                }
                if (back.size != plain.size || memcmp(back.data, plain.data, plain.size))
                    goto failed;
                for (size_t i = 0; i < back.size; i++)
                    hash = (hash ^ back.data[i]) * @factor@;
                append(out, in->data, in->size);
                append_text(out, @label@);
                append_number(out, (uint32_t)back.size);
                append_byte(out, ' ');
                append_hexadecimal(out, hash, 8);
                append_byte(out, '\\n');
                status = 0;
            failed:
                free(plain.data);
                free(packed.data);
                free(back.data);
                return status;
            }
            """,
            name=name, level=self.level, primer=literal(self.primer), bound=self.bound, compress=self.compress(),
            decompress=self.decompress(), factor=unsigned(self.factor), label=literal(f"\n{self.label} "),
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        plain = self.primer.encode() + data
        value = self.level
        for byte in plain:
            value = (value ^ byte) * self.factor & MASK
        return data + f"\n{self.label} {len(plain)} {value:08x}\n".encode()


class Deflate(RoundTrip):
    does = "compress by zlib and back"
    libraries = ("zlib",)
    headers = ("zlib.h",)

    def compress(self) -> str:
        return fill(
            """
            uLongf size = packed.room;

            if (compress2(packed.data, &size, plain.data, plain.size, @level@) != Z_OK)
                goto failed;
            packed.size = size;
            """,
            level=self.level,
        )

    def decompress(self) -> str:
        return fill(
            """
            uLongf size = back.room;

            if (uncompress(back.data, &size, packed.data, packed.size) != Z_OK)
                goto failed;
            back.size = size;
            """
        )


class Lz4(RoundTrip):
    does = "compress by LZ4 and back"
    libraries = ("lz4",)
    headers = ("lz4.h",)

    def compress(self) -> str:
        return fill(
            """
            int size = LZ4_compress_fast((char *)plain.data, (char *)packed.data, (int)plain.size, (int)packed.room, @level@);

            if (size <= 0)
                goto failed;
            packed.size = (size_t)size;
            """,
            level=self.level,
        )

    def decompress(self) -> str:
        return fill(
            """
            int size = LZ4_decompress_safe((char *)packed.data, (char *)back.data, (int)packed.size, (int)back.room);

            if (size < 0)
                goto failed;
            back.size = (size_t)size;
            """
        )


class Zstandard(RoundTrip):
    does = "compress by Zstandard and back"
    libraries = ("zstd",)
    headers = ("zstd.h",)

    def compress(self) -> str:
        return fill(
            """
            size_t size = ZSTD_compress(packed.data, packed.room, plain.data, plain.size, @level@);

            if (ZSTD_isError(size))
                goto failed;
            packed.size = size;
            """,
            level=min(self.level, 3),
        )

    def decompress(self) -> str:
        return fill(
            """
            size_t size = ZSTD_decompress(back.data, back.room, packed.data, packed.size);

            if (ZSTD_isError(size))
                goto failed;
            back.size = size;
            """
        )


class Bzip2(RoundTrip):
    does = "compress by bzip2 and back"
    libraries = ("bzip2",)
    headers = ("bzlib.h",)

    def compress(self) -> str:
        return fill(
            """
            unsigned size = (unsigned)packed.room;

            if (BZ2_bzBuffToBuffCompress((char *)packed.data, &size, (char *)plain.data, (unsigned)plain.size, 1, 0, 0) != BZ_OK)
                goto failed;
            packed.size = size;
            """
        )

    def decompress(self) -> str:
        return fill(
            """
            unsigned size = (unsigned)back.room;

            if (BZ2_bzBuffToBuffDecompress((char *)back.data, &size, (char *)packed.data, (unsigned)packed.size, 0, 0) != BZ_OK)
                goto failed;
            back.size = size;
            """
        )


class Libdeflate(RoundTrip):
    does = "compress by libdeflate and back"
    libraries = ("libdeflate",)
    headers = ("libdeflate.h",)

    def compress(self) -> str:
        return fill(
            """
            struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(@level@);

            if (!compressor)
                goto failed;
            packed.size = libdeflate_gzip_compress(compressor, plain.data, plain.size, packed.data, packed.room);
            libdeflate_free_compressor(compressor);
            if (!packed.size)
                goto failed;
            """,
            level=self.level,
        )

    def decompress(self) -> str:
        return fill(
            """
            struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
            enum libdeflate_result result;

            if (!decompressor)
                goto failed;
            result = libdeflate_gzip_decompress(decompressor, packed.data, packed.size, back.data, back.room, &back.size);
            libdeflate_free_decompressor(decompressor);
            if (result != LIBDEFLATE_SUCCESS)
                goto failed;
            """
        )
