/* The elements of an XML document, indented, with their attributes. */
#include <expat.h>

#include <unishare/function.h>

struct outline {
    unishare_answer *answer;
    int depth;
};

static void open_element(void *data, const XML_Char *name, const XML_Char **attributes)
{
    struct outline *outline = data;

    unishare_answer_printf(outline->answer, "%*s%s", 2 * outline->depth++, "", name);
    for (; *attributes; attributes += 2)
        unishare_answer_printf(outline->answer, " %s=%s", attributes[0], attributes[1]);
    unishare_answer_write(outline->answer, "\n", 1);
}

static void close_element(void *data, const XML_Char *name)
{
    (void)name;
    ((struct outline *)data)->depth--;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    struct outline outline = {answer, 0};
    XML_Parser parser = XML_ParserCreate(NULL);
    int status = 0;

    if (!parser)
        return 1;
    XML_SetUserData(parser, &outline);
    XML_SetElementHandler(parser, open_element, close_element);
    if (XML_Parse(parser, (const char *)request->data, (int)request->size, 1) != XML_STATUS_OK) {
        unishare_answer_clear(answer);
        unishare_answer_printf(answer, "line %lu: %s\n", XML_GetCurrentLineNumber(parser),
                               XML_ErrorString(XML_GetErrorCode(parser)));
        status = 1;
    }
    XML_ParserFree(parser);
    return status;
}

int main(void)
{
    return unishare_serve(handle);
}
