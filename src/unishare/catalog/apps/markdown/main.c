/* Markdown, with tables and strike-through, to HTML. */
#include <md4c-html.h>

#include <unishare/function.h>

static void add(const MD_CHAR *text, MD_SIZE size, void *answer)
{
    unishare_answer_write(answer, text, size);
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    return md_html((const MD_CHAR *)request->data, (MD_SIZE)request->size, add, answer, MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH,
                   0)
               ? 1
               : 0;
}

int main(void)
{
    return unishare_serve(handle);
}
