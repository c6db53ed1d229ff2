/*
 * Tokens as JSON Web Tokens (RFC 7519) signed with HMAC-SHA256. The key is the file /app/key.
 *   sign CLAIMS     a token for a JSON text
 *   verify TOKEN    its claims, if the signature is right
 */
#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>

#include <unishare/function.h>

enum { KEY_ROOM = 128, TOKEN_ROOM = 4096, DIGEST = 32, DIGEST_TEXT = 48 };

static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static unsigned char key[KEY_ROOM];
static size_t key_size;

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

/* base64url without padding (RFC 4648, 5), appended at `end`; the new end, or NULL without room. */
static char *encode(char *end, const char *limit, const void *data, size_t size)
{
    size_t length;

    if (mbedtls_base64_encode((unsigned char *)end, (size_t)(limit - end), &length, data, size))
        return NULL;
    while (length && end[length - 1] == '=')
        length--;
    for (size_t i = 0; i < length; i++)
        end[i] = end[i] == '+' ? '-' : end[i] == '/' ? '_' : end[i];
    return end + length;
}

static int decode(const char *text, size_t size, unsigned char *into, size_t room, size_t *length)
{
    char padded[TOKEN_ROOM];

    if (size + 4 > sizeof padded)
        return -1;
    for (size_t i = 0; i < size; i++)
        padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    while (size % 4)
        padded[size++] = '=';
    return mbedtls_base64_decode(into, room, length, (const unsigned char *)padded, size);
}

static int sign_text(const char *text, size_t size, unsigned char digest[DIGEST])
{
    return mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_size, (const unsigned char *)text, size,
                           digest);
}

static int sign(unishare_answer *answer, const char *claims, size_t size)
{
    char token[TOKEN_ROOM], *end = encode(token, token + sizeof token, header, sizeof header - 1);
    unsigned char digest[DIGEST];

    if (end && end < token + sizeof token)
        *end++ = '.';
    if (!end || !(end = encode(end, token + sizeof token, claims, size)))
        return fail(answer, "the claims are too long");
    if (sign_text(token, (size_t)(end - token), digest))
        return fail(answer, "the signature failed");
    if (token + sizeof token - end < DIGEST_TEXT)
        return fail(answer, "the claims are too long");
    *end++ = '.';
    end = encode(end, token + sizeof token, digest, sizeof digest);
    unishare_answer_write(answer, token, (size_t)(end - token));
    return 0;
}

/* Compare in a time that does not tell where they differ. */
static int differ(const unsigned char *a, const unsigned char *b)
{
    unsigned char found = 0;

    for (int i = 0; i < DIGEST; i++)
        found |= a[i] ^ b[i];
    return found;
}

static int verify(unishare_answer *answer, const char *token, size_t size)
{
    const char *first = memchr(token, '.', size), *second;
    unsigned char digest[DIGEST], given[DIGEST + 4], claims[TOKEN_ROOM];
    size_t given_size, claims_size;

    if (!first || !(second = memchr(first + 1, '.', size - (size_t)(first + 1 - token))))
        return fail(answer, "not a token");
    if (sign_text(token, (size_t)(second - token), digest)
        || decode(second + 1, size - (size_t)(second + 1 - token), given, sizeof given, &given_size) || given_size != DIGEST
        || differ(digest, given))
        return fail(answer, "the signature is wrong");
    if (decode(first + 1, (size_t)(second - first - 1), claims, sizeof claims, &claims_size))
        return fail(answer, "not a token");
    unishare_answer_write(answer, claims, claims_size);
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const char *text = (const char *)request->data;

    if (request->size > 5 && !memcmp(text, "sign ", 5))
        return sign(answer, text + 5, request->size - 5);
    if (request->size > 7 && !memcmp(text, "verify ", 7))
        return verify(answer, text + 7, request->size - 7);
    return fail(answer, "sign CLAIMS or verify TOKEN");
}

int main(void)
{
    FILE *file = fopen("/app/key", "rb");

    if (!file) {
        perror("/app/key");
        return 1;
    }
    key_size = fread(key, 1, sizeof key, file);
    fclose(file);
    return unishare_serve(handle);
}
