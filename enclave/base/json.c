#include "enclave/base/json.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "enclave/base/cmd.h"
#include "enclave/base/log.h"

void json_print(struct json_object *o)
{
	const char *text;

	if (!o)
		return;
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text) {
		log_err(-ENOMEM, "write what --json asks for");
		exit(CMD_FAILED);
	}
	puts(text);
	json_object_put(o);
}
