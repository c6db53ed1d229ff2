/* Parses an HTTP/1 request: method, path, query, headers, body's length. */
#include <http_parser.h>

#include <unishare/function.h>

static int on_url(http_parser *parser, const char *at, size_t size)
{
    struct http_parser_url url;

    http_parser_url_init(&url);
    if (http_parser_parse_url(at, size, parser->method == HTTP_CONNECT, &url))
        return 1;
    unishare_answer_printf(parser->data, "%s %.*s\n", http_method_str(parser->method), url.field_data[UF_PATH].len,
                           at + url.field_data[UF_PATH].off);
    if (url.field_set & 1 << UF_QUERY)
        unishare_answer_printf(parser->data, "query %.*s\n", url.field_data[UF_QUERY].len, at + url.field_data[UF_QUERY].off);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t size)
{
    unishare_answer_printf(parser->data, "%.*s: ", (int)size, at);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size)
{
    unishare_answer_printf(parser->data, "%.*s\n", (int)size, at);
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
    (void)at;
    unishare_answer_printf(parser->data, "body %d\n", (int)size);
    return 0;
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    static const http_parser_settings settings = {
        .on_url = on_url, .on_header_field = on_field, .on_header_value = on_value, .on_body = on_body};
    http_parser parser = {.data = answer};

    http_parser_init(&parser, HTTP_REQUEST);
    if (http_parser_execute(&parser, &settings, (const char *)request->data, request->size) == request->size
        && !HTTP_PARSER_ERRNO(&parser))
        return 0;
    unishare_answer_clear(answer);
    unishare_answer_printf(answer, "%s\n", http_errno_description(HTTP_PARSER_ERRNO(&parser)));
    return 1;
}

int main(void)
{
    return unishare_serve(handle);
}
