/* Reads YAML and prints what it holds as an indented outline. */
#include <yaml.h>

#include <unishare/function.h>

static void line(unishare_answer *answer, int depth, const char *mark, const char *text)
{
    unishare_answer_printf(answer, "%*s%s%s\n", 2 * depth, "", mark, text);
}

/* One event; the new depth. */
static int show(unishare_answer *answer, const yaml_event_t *event, int depth)
{
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
        line(answer, depth, "map", "");
        return depth + 1;
    case YAML_SEQUENCE_START_EVENT:
        line(answer, depth, "list", "");
        return depth + 1;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return depth - 1;
    case YAML_SCALAR_EVENT:
        line(answer, depth, "- ", (const char *)event->data.scalar.value);
        return depth;
    case YAML_ALIAS_EVENT:
        line(answer, depth, "* ", (const char *)event->data.alias.anchor);
        return depth;
    default:
        return depth;
    }
}

static int handle(const unishare_request *request, unishare_answer *answer)
{
    yaml_parser_t parser;
    yaml_event_t event;
    int depth = 0, done = 0;

    if (!yaml_parser_initialize(&parser))
        return 1;
    yaml_parser_set_input_string(&parser, request->data, request->size);
    while (!done) {
        if (!yaml_parser_parse(&parser, &event)) {
            unishare_answer_clear(answer);
            unishare_answer_printf(answer, "line %zu: %s\n", parser.problem_mark.line + 1, parser.problem);
            yaml_parser_delete(&parser);
            return 1;
        }
        depth = show(answer, &event, depth);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return 0;
}

int main(void)
{
    return unishare_serve(handle);
}
