/* What a main loop does for snapshots. Private to this library. */
#ifndef UNISHARE_INVOKE_SNAPSHOT_H
#define UNISHARE_INVOKE_SNAPSHOT_H

/* Run the hooks of unishare_on_resume. */
void snapshot_resumed(void);

/* Whether a snapshot will be taken of this instance. */
int snapshot_is_wanted(void);

/* Let the C library's heap grow while nothing lies behind it. */
void snapshot_make_room(void);

/* Run the hooks of unishare_on_snapshot, then overwrite all free memory. */
void snapshot_prepare(void);

#endif
