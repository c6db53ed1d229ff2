/*
 * Ed25519 (RFC 8032), everything but the message in hexadecimal:
 *   sign SEED MESSAGE                    public key and signature
 *   verify KEY SIGNATURE MESSAGE         good or bad
 */
#include <sodium.h>
#include <string.h>

#include <unishare/function.h>

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

/* Read hexadecimal digits and the space behind them; where the rest starts, or NULL. */
static const char *read_hex(const char *text, unsigned char *into, size_t size)
{
    const char *end;

    if (sodium_hex2bin(into, size, text, strlen(text), NULL, NULL, &end) || end - text != (long)(2 * size))
        return NULL;
    return *end == ' ' ? end + 1 : end;
}

static void write_hex(unishare_answer *answer, const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        unishare_answer_printf(answer, "%02x", data[i]);
    unishare_answer_write(answer, "\n", 1);
}

static int sign(unishare_answer *answer, const char *text)
{
    unsigned char seed[crypto_sign_SEEDBYTES], public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    unsigned char signature[crypto_sign_BYTES];
    const char *message = read_hex(text, seed, sizeof seed);

    if (!message)
        return fail(answer, "SEED is 64 hexadecimal digits");
    crypto_sign_seed_keypair(public, secret, seed);
    crypto_sign_detached(signature, NULL, (const unsigned char *)message, strlen(message), secret);
    write_hex(answer, public, sizeof public);
    write_hex(answer, signature, sizeof signature);
    return 0;
}

static int verify(unishare_answer *answer, const char *text)
{
    unsigned char public[crypto_sign_PUBLICKEYBYTES], signature[crypto_sign_BYTES];
    const char *rest = read_hex(text, public, sizeof public),
               *message = rest ? read_hex(rest, signature, sizeof signature) : NULL;

    if (!message)
        return fail(answer, "KEY is 64 and SIGNATURE 128 hexadecimal digits");
    if (crypto_sign_verify_detached(signature, (const unsigned char *)message, strlen(message), public))
        return fail(answer, "bad");
    unishare_answer_write(answer, "good\n", 5);
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const char *text = (const char *)request->data;

    if (request->size > 5 && !strncmp(text, "sign ", 5))
        return sign(answer, text + 5);
    if (request->size > 7 && !strncmp(text, "verify ", 7))
        return verify(answer, text + 7);
    return fail(answer, "sign SEED MESSAGE or verify KEY SIGNATURE MESSAGE");
}

int main(void)
{
    return sodium_init() < 0 ? 1 : unishare_serve(handle);
}
