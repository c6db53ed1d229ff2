/* Makes an image small: the first line is how many pixels its longer side may have, the rest the image; a PNG comes back. */
#include <stb_image.h>
#include <stb_image_resize.h>
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>
#include <stdlib.h>
#include <string.h>
#include <unishare/function.h>

enum { SIDE_MAX = 1024 };

static int fail(unishare_answer *answer, const char *what)
{
    unishare_answer_printf(answer, "%s\n", what);
    return 1;
}

static void put(void *answer, void *data, int size)
{
    unishare_answer_write(answer, data, (size_t)size);
}

/* Round to the nearest, but leave a pixel. */
static int scaled(int side, int longer, int limit)
{
    int small = (side * limit + longer / 2) / longer;

    return small ? small : 1;
}

static int shrink(unishare_answer *answer, const unsigned char *pixels, int width, int height, int channels, int limit)
{
    int longer = width > height ? width : height, status = 1;
    int to_width = longer > limit ? scaled(width, longer, limit) : width;
    int to_height = longer > limit ? scaled(height, longer, limit) : height;
    unsigned char *small = malloc((size_t)to_width * (size_t)to_height * (size_t)channels);

    if (small && stbir_resize_uint8(pixels, width, height, 0, small, to_width, to_height, 0, channels))
        status = !stbi_write_png_to_func(put, answer, to_width, to_height, channels, small, 0);
    free(small);
    return status ? fail(answer, "out of memory") : 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    const unsigned char *line = request->size ? memchr(request->data, '\n', request->size) : NULL;
    int limit = line ? atoi((const char *)request->data) : 0, width, height, channels, status;
    unsigned char *pixels;

    if (limit < 1 || limit > SIDE_MAX)
        return fail(answer, "the first line is a number of pixels, 1 to 1024");
    pixels = stbi_load_from_memory(line + 1, (int)(request->size - (size_t)(line + 1 - request->data)), &width, &height,
                                   &channels, 0);
    if (!pixels)
        return fail(answer, stbi_failure_reason());
    status = shrink(answer, pixels, width, height, channels, limit);
    stbi_image_free(pixels);
    return status;
}

int main(void)
{
    return unishare_serve(handle);
}
