// events.h - what happens in the diplomat, told to VICI clients (ike-updown, child-updown,
// ike-rekey, child-rekey, alert, log) and to the log. All in the loop's thread, but events_log().
#pragma once

#include "daemon/iked.h"
#include "daemon/story.h"

// Kinds of events that a client may register for; NULL-terminated.
extern const char *const events_names[];

// struct env's `tell` and `event`.
void events_tell(struct iked *d, enum log_level level, const struct ike_sa *sa,
                 const char *sentence);
void events_sa(struct iked *d, enum ike_event_kind kind, const struct ike_sa *sa,
               const struct child_sa *child);
// struct env's `alert`: something went wrong.
void events_alert(struct iked *d, enum alert kind, const struct ike_sa *sa);
// Its keys as the VICI events have them: `log` names the thread, `control-log` does not.
void events_put_line(struct vici_msg *m, const struct story_line *l, bool with_thread);
// A log sink: lines that are not part of a story become `log` events. ctx: struct iked.
void events_log(void *ctx, enum log_level level, const char *subject, const char *line);
