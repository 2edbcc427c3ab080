/* The generated table behind pb_event_descriptor(). */
#ifndef LGSP_WIRE_PB_EVENTS_H
#define LGSP_WIRE_PB_EVENTS_H

#include <protobuf-c/protobuf-c.h>

struct pb_event_row {
	const char *type;
	const ProtobufCMessageDescriptor *descriptor;
};

extern const struct pb_event_row pb_event_rows[]; /* ends with a NULL type */

#endif
