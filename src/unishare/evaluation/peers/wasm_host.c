/* Runs a WebAssembly module of WASI in an engine of its own, by the C API of libwasmtime (wasmtime.h, wasi.h, wat.h; declared here as far as it is
 * used, since the wheel of PyPI has the library without its headers). */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { size_t size; char *data; } byte_vec;
/* wasmtime_func_t is 16 bytes; room for a version that grows. */
typedef struct { uint64_t words[4]; } func;

void *wasm_engine_new(void);
void *wasmtime_store_new(void *engine, void *data, void (*finalizer)(void *));
void *wasmtime_store_context(void *store);
void *wasi_config_new(void);
void wasi_config_inherit_stdin(void *config);
void wasi_config_inherit_stdout(void *config);
void *wasmtime_context_set_wasi(void *context, void *config);
void *wasmtime_linker_new(void *engine);
void *wasmtime_linker_define_wasi(void *linker);
void *wasmtime_wat2wasm(const char *text, size_t size, byte_vec *binary);
void *wasmtime_module_new(void *engine, const uint8_t *binary, size_t size, void **module);
void *wasmtime_linker_module(void *linker, void *context, const char *name, size_t size, const void *module);
void *wasmtime_linker_get_default(const void *linker, void *context, const char *name, size_t size, func *found);
void *wasmtime_func_call(void *context, const func *called, const void *arguments, size_t count, void *results, size_t room, void **trap);

static void check(const char *what, void *error)
{
    if (error) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static char text[1 << 16];
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    size_t size = file ? fread(text, 1, sizeof text, file) : 0;
    void *engine = wasm_engine_new(), *context = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    void *linker = wasmtime_linker_new(engine), *config = wasi_config_new(), *module = NULL, *trap = NULL;
    byte_vec binary;
    func start;

    check("reading", size ? NULL : text);
    wasi_config_inherit_stdin(config);
    wasi_config_inherit_stdout(config);
    check("WASI", wasmtime_linker_define_wasi(linker));
    check("WASI's configuration", wasmtime_context_set_wasi(context, config));
    check("the text", wasmtime_wat2wasm(text, size, &binary));
    check("the module", wasmtime_module_new(engine, (const uint8_t *)binary.data, binary.size, &module));
    check("linking", wasmtime_linker_module(linker, context, "", 0, module));
    check("its start", wasmtime_linker_get_default(linker, context, "", 0, &start));
    check("the call", wasmtime_func_call(context, &start, NULL, 0, NULL, 0, &trap));
    return 0;
}
