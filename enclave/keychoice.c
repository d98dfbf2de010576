#include "enclave/keychoice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "enclave/base/size.h"

int keychoice_find(const struct luks_key *keys, int n, const char *which)
{
	long long number;

	for (int i = 0; i < n; i++)
		if (num_parse(which, 0, 99, &number) == 0 ? keys[i].slot == number
							  : !strcmp(keys[i].token.label, which))
			return keys[i].slot;
	return -ENOENT;
}

static const struct luks_key *by_slot(const struct luks_key *keys, int n, int slot)
{
	for (int i = 0; i < n; i++)
		if (keys[i].slot == slot)
			return &keys[i];
	return NULL;
}

static int only_passphrase(const struct luks_key *keys, int n)
{
	int found = -ENOENT;

	for (int i = 0; i < n; i++) {
		if (keys[i].token.kind != KEY_PASSPHRASE)
			continue;
		if (found >= 0)
			return -ENOTUNIQ;
		found = keys[i].slot;
	}
	return found;
}

int keychoice_replaced(const struct luks_key *keys, int n, int typed, const char *which)
{
	const struct luks_key *k =
		by_slot(keys, n, *which ? keychoice_find(keys, n, which) : typed);

	if (k && k->token.kind == KEY_PASSPHRASE)
		return k->slot;
	return *which ? -ENOENT : only_passphrase(keys, n);
}

void keychoice_name(const struct luks_key *keys, int n, struct keytoken *t)
{
	const char *kind = keytoken_kind_name(t->kind);

	snprintf(t->label, sizeof(t->label), "%s", kind);
	for (int i = 2; keychoice_find(keys, n, t->label) >= 0; i++)
		snprintf(t->label, sizeof(t->label), "%s-%d", kind, i);
}
