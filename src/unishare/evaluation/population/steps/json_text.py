"""Steps that read and write JSON by libraries."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from unishare.evaluation.population import vocabulary
from unishare.evaluation.population.c_text import fill, literal
from unishare.evaluation.population.shapes import Shape
from unishare.evaluation.population.step import Intake, Refusal, Step
from unishare.evaluation.population.steps import pairs


class JsonIntake(Intake):
    does = "parse JSON and take the items of a list"
    gives = Shape.RECORDS

    def __init__(self, random: Random) -> None:
        self.list, self.word, self.first, self.second, *self.others = vocabulary.different_words(random, 7)
        self.status = random.randint(2, 60)

    @property
    def _no_list(self) -> str:
        return f"no list '{self.list}'"

    def evaluate(self, data: bytes) -> bytes:
        try:
            value = json.loads(data)
        except ValueError:
            raise Refusal(self.status, "not JSON") from None
        if not isinstance(value, dict) or not isinstance(value.get(self.list), list):
            raise Refusal(self.status + 1, self._no_list)
        out = ""
        for number, item in enumerate(value[self.list]):
            if not self._is_item(item):
                raise Refusal(self.status + 2, f"item {number} is incomplete")
            out += f"{item[self.word]},{item[self.first]},{item[self.second]}\n"
        return out.encode()

    def _is_item(self, item: Any) -> bool:
        if not isinstance(item, dict) or not isinstance(item.get(self.word), str):
            return False
        return all(isinstance(item.get(key), int) for key in (self.first, self.second))

    def good_request(self, random: Random) -> bytes:
        return self._request(random, [self._item(random) for _ in range(random.randint(3, 9))])

    def _request(self, random: Random, items: list[dict[str, Any]]) -> bytes:
        value: dict[str, Any] = {key: self._extra_value(random) for key in self.others}
        value[self.list] = items
        keys = list(value)
        random.shuffle(keys)
        return json.dumps({key: value[key] for key in keys}, indent=random.choice([None, 1])).encode()

    def _item(self, random: Random) -> dict[str, Any]:
        item = {self.word: vocabulary.word(random), self.first: random.randint(0, 5000), self.second: random.randint(0, 10**6)}
        if random.random() < 0.4:
            item[random.choice(self.others)] = self._extra_value(random)
        return item

    @staticmethod
    def _extra_value(random: Random) -> Any:
        return random.choice([True, None, random.randint(-99, 99), vocabulary.word(random), [1, [2, 3]], {"deep": {"er": []}}])

    def bad_request(self, random: Random) -> bytes:
        request = self.good_request(random)
        incomplete = self._request(random, [self._item(random), {self.word: "alone"}])
        return random.choice([request[:-2], b"[1, 2", json.dumps({"other": [1]}).encode(), incomplete])


class CjsonIntake(JsonIntake):
    does = "parse JSON by cJSON and take the items of a list"
    libraries = ("cjson",)
    headers = ("cJSON.h",)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                cJSON *json = cJSON_ParseWithLength((char *)in->data, in->size);
                const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, @list@), *item;
                uint32_t number = 0;
                int status = 0;

                if (!json) {
                    refuse(out, "not JSON");
                    return @status@;
                }
                if (!cJSON_IsArray(list)) {
                    refuse(out, @no_list@);
                    status = @status@ + 1;
                    list = NULL;
                }
                cJSON_ArrayForEach(item, list) {
                    const cJSON *word = cJSON_GetObjectItemCaseSensitive(item, @word@);
                    const cJSON *first = cJSON_GetObjectItemCaseSensitive(item, @first@);
                    const cJSON *second = cJSON_GetObjectItemCaseSensitive(item, @second@);

                    if (!cJSON_IsString(word) || !cJSON_IsNumber(first) || !cJSON_IsNumber(second)) {
                        refuse(out, "item ");
                        append_number(out, number);
                        append_text(out, " is incomplete");
                        status = @status@ + 2;
                        break;
                    }
                    number++;
                    write_record(out, &(struct record){(unsigned char *)word->valuestring, strlen(word->valuestring),
                        (uint32_t)first->valuedouble, (uint32_t)second->valuedouble});
                }
                cJSON_Delete(json);
                return status;
            }
            """,
            name=name, list=literal(self.list), word=literal(self.word), first=literal(self.first),
            second=literal(self.second), status=self.status, no_list=literal(self._no_list),
        )  # fmt: skip


class JanssonIntake(JsonIntake):
    does = "parse JSON by Jansson and take the items of a list"
    libraries = ("jansson",)
    headers = ("jansson.h",)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                json_t *json = json_loadb((char *)in->data, in->size, JSON_DECODE_ANY, NULL), *list, *item;
                int status = 0;
                size_t number;

                if (!json) {
                    refuse(out, "not JSON");
                    return @status@;
                }
                list = json_object_get(json, @list@);
                if (!json_is_array(list)) {
                    refuse(out, @no_list@);
                    status = @status@ + 1;
                }
                json_array_foreach(list, number, item) {
                    const char *word;
                    json_int_t first, second;

                    if (json_unpack(item, "{s:s, s:I, s:I}", @word@, &word, @first@, &first, @second@, &second)) {
                        refuse(out, "item ");
                        append_number(out, (uint32_t)number);
                        append_text(out, " is incomplete");
                        status = @status@ + 2;
                        break;
                    }
                    write_record(out, &(struct record){(const unsigned char *)word, strlen(word), (uint32_t)first, (uint32_t)second});
                }
                json_decref(json);
                return status;
            }
            """,
            name=name, list=literal(self.list), word=literal(self.word), first=literal(self.first),
            second=literal(self.second), status=self.status, no_list=literal(self._no_list),
        )  # fmt: skip


class CjsonWriter(Step):
    does = "write the pairs as JSON by cJSON, numbers apart from words"
    takes = Shape.PAIRS
    gives = Shape.TEXT
    grows = True
    libraries = ("cjson",)
    headers = ("cJSON.h",)

    def __init__(self, random: Random) -> None:
        self.kind, self.entries, self.total, self.key, self.value, self.kind_name = vocabulary.different_words(random, 6)
        self.pretty = random.random() < 0.3
        self.most = random.randint(5, 40)

    def c_source(self, name: str) -> str:
        return fill(
            """
            static int @name@(const struct bytes *in, struct bytes *out)
            {
                cJSON *json = cJSON_CreateObject(), *entries;
                uint32_t count = 0;
                char *text;

                cJSON_AddStringToObject(json, @kind@, @kind_name@);
                entries = cJSON_AddArrayToObject(json, @entries@);
                for (size_t at = 0, end; at < in->size && count < @most@; at = end + 1, count++) {
                    char *line = (char *)in->data + at, *middle = strchr(line, '=');
                    cJSON *entry = cJSON_CreateObject();

                    end = at + line_length(in, at);
                    *middle = in->data[end] = 0;
                    cJSON_AddStringToObject(entry, @key@, line);
                    cJSON_AddStringToObject(entry, @value@, middle + 1);
                    cJSON_AddItemToArray(entries, entry);
                }
                cJSON_AddNumberToObject(json, @total@, count);
                text = cJSON_@print@(json);
                cJSON_Delete(json);
                if (!text)
                    return 255;
                for (char *tab = text; (tab = strchr(tab, '\\t')); )
                    *tab = ' ';
                append_text(out, text);
                cJSON_free(text);
                return 0;
            }
            """,
            name=name, kind=literal(self.kind), kind_name=literal(self.kind_name), entries=literal(self.entries),
            total=literal(self.total), key=literal(self.key), value=literal(self.value), most=self.most,
            print="Print" if self.pretty else "PrintUnformatted",
        )  # fmt: skip

    def evaluate(self, data: bytes) -> bytes:
        entries = [(key, value) for key, value in pairs.parse(data)][: self.most]
        total = len(entries)
        if not self.pretty:
            listed = ",".join(f'{{"{self.key}":"{key}","{self.value}":"{value}"}}' for key, value in entries)
            return f'{{"{self.kind}":"{self.kind_name}","{self.entries}":[{listed}],"{self.total}":{total}}}'.encode()
        objects = (f'{{\n\t\t\t"{self.key}":\t"{key}",\n\t\t\t"{self.value}":\t"{value}"\n\t\t}}' for key, value in entries)
        text = f'{{\n\t"{self.kind}":\t"{self.kind_name}",\n\t"{self.entries}":\t[{", ".join(objects)}],\n\t"{self.total}":\t{total}\n}}'
        return text.replace("\t", " ").encode()
