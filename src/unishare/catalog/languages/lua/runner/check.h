/* Looking at a function's files when it is built. */
#ifndef CHECK_H
#define CHECK_H

#define HANDLER "/app/handler.lua"

/* Serve requests that are archives of images' files: the answer is what is wrong with the scripts in them. */
int check_serve(void);

#endif
