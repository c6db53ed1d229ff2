"""Steps that hash and sign by cryptographic libraries."""

from __future__ import annotations

import base64
import hashlib
import hmac
from random import Random

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import fill, literal, table
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Step
from unishare.evaluation.population.steps.text_edit import TextStep

_ALGORITHMS = {"md5": "MD5", "sha1": "SHA1", "sha224": "SHA224", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512"}


class ChainedDigest(Step):
    does = "hash the bytes again and again by Mbed TLS"
    takes = Shape.BYTES
    gives = Shape.TEXT
    libraries = ("mbedtls",)
    headers = ("mbedtls/md.h",)

    def __init__(self, random: Random) -> None:
        self.algorithm = random.choice(list(_ALGORITHMS))
        self.salt = random.randbytes(random.randint(4, 24))
        self.rounds = random.randint(1, 9)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const unsigned char salt[] = {@salt@};
                const mbedtls_md_info_t *kind = mbedtls_md_info_from_type(MBEDTLS_MD_@algorithm@);
                unsigned char digest[MBEDTLS_MD_MAX_SIZE];
                struct bytes salted = {0};

                append(&salted, salt, sizeof salt);
                append(&salted, in->data, in->size);
                for (int round = 0; round < @rounds@; round++) {
                    if (mbedtls_md(kind, salted.data, salted.size, digest))
                        return 254;
                    salted.size = sizeof salt;
                    append(&salted, digest, mbedtls_md_get_size(kind));
                }
                free(salted.data);
                append_digest(out, digest, mbedtls_md_get_size(kind));
                return 0;
            }
            """,
            name=name, salt=table(self.salt), algorithm=_ALGORITHMS[self.algorithm], rounds=self.rounds,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        digest = data
        for _ in range(self.rounds):
            digest = hashlib.new(self.algorithm, self.salt + digest).digest()
        return digest.hex().encode()


class SignLines(TextStep):
    does = "sign each line by Mbed TLS with a key of its own"
    libraries = ("mbedtls",)
    headers = ("mbedtls/md.h",)
    grows = True

    def __init__(self, random: Random) -> None:
        self.algorithm = random.choice(["sha1", "sha256", "sha512"])
        self.key = random.randbytes(random.randint(8, 40))
        self.shown = random.randint(4, 16)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const unsigned char key[] = {@key@};
                const mbedtls_md_info_t *kind = mbedtls_md_info_from_type(MBEDTLS_MD_@algorithm@);
                unsigned char signature[MBEDTLS_MD_MAX_SIZE];

                for (size_t at = 0, length; at < in->size; at += length + 1) {
                    length = line_length(in, at);
                    if (mbedtls_md_hmac(kind, key, sizeof key, in->data + at, length, signature))
                        return 254;
                    append(out, in->data + at, length);
                    append_byte(out, ' ');
                    append_digest(out, signature, @shown@);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, key=table(self.key), algorithm=_ALGORITHMS[self.algorithm], shown=self.shown,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        return b"".join(
            b"%s %s\n" % (line, hmac.new(self.key, line, self.algorithm).digest()[: self.shown].hex().encode())
            for line in lines
        )


class DerivedKey(Step):
    does = "derive key bytes from what came in by Mbed TLS and write them in base 64"
    takes = Shape.BYTES
    gives = Shape.TEXT
    libraries = ("mbedtls",)
    headers = ("mbedtls/base64.h", "mbedtls/md.h", "mbedtls/pkcs5.h")

    def __init__(self, random: Random) -> None:
        self.salt = vocabulary.word(random)
        self.rounds = random.randint(2, 30)
        self.size = random.randint(16, 90)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const char salt[] = @salt@;
                unsigned char key[@size@], text[2 * @size@];
                mbedtls_md_context_t context;
                size_t written = 0;
                int failed;

                mbedtls_md_init(&context);
                failed = mbedtls_md_setup(&context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1)
                    || mbedtls_pkcs5_pbkdf2_hmac(&context, in->data, in->size, (const unsigned char *)salt, sizeof salt - 1, @rounds@, @size@, key)
                    || mbedtls_base64_encode(text, sizeof text, &written, key, sizeof key);
                mbedtls_md_free(&context);
                append(out, text, failed ? 0 : written);
                return failed ? 254 : 0;
            }
            """,
            name=name, salt=literal(self.salt), size=self.size, rounds=self.rounds,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        return base64.b64encode(hashlib.pbkdf2_hmac("sha256", data, self.salt.encode(), self.rounds, self.size))


class KeyedBlake(Step):
    does = "hash the blocks by libsodium with a key of its own"
    takes = Shape.BYTES
    gives = Shape.TEXT
    libraries = ("libsodium",)
    headers = ("sodium/crypto_generichash.h",)

    def __init__(self, random: Random) -> None:
        self.key = random.randbytes(random.randint(16, 48))
        self.size = random.randint(16, 40)
        self.block = random.randint(40, 200)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                static const unsigned char key[] = {@key@};
                unsigned char digest[@size@];

                for (size_t at = 0; at < in->size || !at; at += @block@) {
                    size_t size = in->size - at < @block@ ? in->size - at : @block@;

                    if (crypto_generichash(digest, sizeof digest, in->data + at, size, key, sizeof key))
                        return 254;
                    append_digest(out, digest, sizeof digest);
                    append_byte(out, '\\n');
                }
                return 0;
            }
            """,
            name=name, key=table(self.key), size=self.size, block=self.block,
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        blocks = [data[at : at + self.block] for at in range(0, max(1, len(data)), self.block)]
        digests = (hashlib.blake2b(block, key=self.key, digest_size=self.size).hexdigest() for block in blocks)
        return "".join(f"{digest}\n" for digest in digests).encode()
