/* SPDX-License-Identifier: MIT */
#include "confirm.h"

#include <stdio.h>
#include <unistd.h>

#include "text.h"

bool confirm_ask(const char *question)
{
	char answer[16];

	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) &&
	       (answer[0] == 'y' || answer[0] == 'Y');
}

bool confirm(const char *object, const char *question)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		say("%s: no terminal to ask on; say -y to go ahead", object);
		return false;
	}
	if (confirm_ask(question))
		return true;
	say("%s: nothing was changed; run it again to go ahead", object);
	return false;
}
