/* Declares what lua.toml defines luai_makeseed as. */
#include <unishare/random.h>
