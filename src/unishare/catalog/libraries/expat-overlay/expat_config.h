/* What expat's configure would find. */
#ifndef UNISHARE_EXPAT_CONFIG_H
#define UNISHARE_EXPAT_CONFIG_H
#define BYTEORDER 1234
#define HAVE_GETRANDOM 1
#define XML_CONTEXT_BYTES 1024
#define XML_DTD 1
#define XML_NS 1
#endif
