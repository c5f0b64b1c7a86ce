/* SPDX-License-Identifier: MIT */
#include "lookargs.h"

#include "trust.h"

error_t look_args_parse(int key, char *arg, struct argp_state *state)
{
	struct look_args *args = state->input;

	switch (key) {
	case 'j':
		args->json = true;
		return 0;
	case TRUST_KEY:
		args->is_trusted = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->target)
			argp_error(state, "too many arguments");
		args->target = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->target)
			argp_error(state, "MOUNTPOINT or STORE is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}
