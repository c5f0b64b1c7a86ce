/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_BASE_H
#define MAPFS_CORE_BASE_BASE_H

/*
 * The directory or file below a view, for the folders above: everything of core/base.
 *
 *	root		opening it, and opening below it [S2]
 *	only_file	a base that is a file
 *	claim		images that a view in write mode uses
 *	inode		the objects that the view knows, and their places
 *	resolve		from an inode to a descriptor of its object
 *	writer		other programs that can change it at any time
 *	stat, xattr, read, readdir
 *			attributes, content and names of the object
 *	generation	whether it is still the same object
 *	foreign		objects of another file system
 *	search		an object by its number alone
 *	identity	whether it is still the same base
 *	none		what shows where there is no base
 *
 * Calling sequence: base_open(), itable_create(), base_set_itable(), then
 * everything else, itable_destroy(), base_close().
 *
 * Lifetime, errors, locking: as each of these headers says.
 */
#include "claim.h"
#include "foreign.h"
#include "generation.h"
#include "identity.h"
#include "inode.h"
#include "only_file.h"
#include "read.h"
#include "readdir.h"
#include "resolve.h"
#include "root.h"
#include "search.h"
#include "stat.h"
#include "writer.h"
#include "xattr.h"

#endif
