/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_TRUST_H
#define MAPFS_TOOLS_LIB_TRUST_H

/*
 * The option of all commands that open a store: what another user could have
 * written is believed.  What that means: mapfs_store_trust_check().
 */

#define TRUST_KEY 0x1000

#define TRUST_OPTION                                                    \
	{                                                               \
		"trust", TRUST_KEY, NULL, 0,                            \
			"Believe a store that another user could have " \
			"written",                                      \
			0                                               \
	}

#endif
