/*
 * json - how a command prints what --json asks for
 */
#ifndef TAZ_BASE_JSON_H
#define TAZ_BASE_JSON_H

struct json_object;

/*
 * json_print - one line on standard output
 * @o: is put away; NULL: nothing is printed
 * Ends the program with CMD_FAILED, after saying why, when there is no memory for the text.
 */
void json_print(struct json_object *o);

#endif
