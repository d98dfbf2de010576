/* What can be taken away from the model: TAZ_WITHOUT=number. 0 takes nothing. */
#define REPAIR_WAIT_WORKER    1	 /* the check waits until a killed worker is dead */
#define REPAIR_COMMIT	      2	 /* a copy is committed when the view has spoken after it */
#define REPAIR_RESET	      3	 /* ECONNRESET is not the end of what was sent */
#define REPAIR_SEND_FIRST     4	 /* the view sends DIRTY, then marks itself as having done so */
#define REPAIR_DRAIN	      5	 /* a killed view's channel is read to its end */
#define REPAIR_ASK_FIRST      6	 /* "nothing to save" is said after the view's messages were read */
#define REPAIR_STALE_GONE     7	 /* a view that is reaped is heard first */
#define REPAIR_MOUNT_LIST     8	 /* mounts that are gone are forgotten, saved or not */
#define REPAIR_HANG_UP	      9	 /* a worker that is born after its keeper's death ends */
#define REPAIR_CONT	      10 /* a stopped view is continued when the keeper dies */
#define REPAIR_LOOP_KNOWN     11 /* the keeper knows the loop before there is a mapping */
#define REPAIR_VIEW_FIRST     12 /* nothing counts as gone while a worker lives that could make it */
#define REPAIR_SAVER_LAST     13 /* the view is heard before the saver */
#define REPAIR_COUNT	      14 /* an answer to an earlier quiesce is none to this one */
#define CARE_ABORT_ID	      20 /* a lock ignores what comes of a copy under way */
#define CARE_ABORT_DIRTY      21 /* and remembers that nothing was saved */
#define CARE_FAILED_DIRTY     22 /* so does a save that fails */
#define CARE_SAVE_AGAIN	      23 /* a lock saves again what a save under way began too early for */
#define CARE_CLEAN_AT_QUIESCE 24 /* changes count from the quiet moment, not from the end */
#define CARE_READY	      25 /* a view is ready once, while it starts */
#define CARE_HANG_UP	      26 /* a client that hangs up while it opens is a lock */
#define CARE_DOOM_FIRST	      27 /* the mapping is doomed before it gets the key */
