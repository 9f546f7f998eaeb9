// settings.h - strongswan.conf, read at the start and with each reload, and what it means for the
// diplomat.
#pragma once

#include "daemon/iked.h"

// Fills d->strongswan and what the command line has left open. A file that was not named need not
// be there. Errors: as strongswan_load(), with a sentence.
err_t settings_read(struct iked *d, struct why *why);
// Reads it again: levels of logs and all of settings_for_ike() change, the rest waits for the next
// start and is told. Files of logs are opened anew. With a mistake in it nothing changes.
void settings_again(struct iked *d);
void settings_triplets(const struct iked *d); // reads those of EAP-SIM for the diplomat
struct ike_options settings_for_ike(const struct strongswan *s);
