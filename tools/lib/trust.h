/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TRUST_H
#define MAPFS_TOOLS_LIB_TRUST_H

/*
 * The option --trust of all subcommands that open a store.
 * mapfs_store_trust_check() says what it allows.
 */

#define TRUST_KEY 0x1000

#define TRUST_OPTION                                                \
	{                                                           \
		"trust", TRUST_KEY, NULL, 0,                        \
			"Use a store that another user could have " \
			"written",                                  \
			0                                           \
	}

#endif
