/* SPDX-License-Identifier: MIT */
/*
 * The kernel's extended attribute of an ACL: a version word, then entries of
 * eight bytes in a fixed order (owner, named users, group, named groups,
 * mask, other).
 */
#include "acl.h"

#include <assert.h>
#include <errno.h>

#include "le.h"

#define ACL_VERSION 2U

enum acl_tag {
	TAG_USER_OBJ = 0x01,
	TAG_USER = 0x02,
	TAG_GROUP_OBJ = 0x04,
	TAG_GROUP = 0x08,
	TAG_MASK = 0x10,
	TAG_OTHER = 0x20,
};

struct acl_entry_disk {
	le16 tag;
	le16 perm;
	le32 id;
};

struct acl_disk {
	le32 version;
	struct acl_entry_disk entry[];
};

static size_t acl_count(size_t len)
{
	return (len - sizeof(struct acl_disk)) / sizeof(struct acl_entry_disk);
}

int acl_verify(const void *acl, size_t len)
{
	const struct acl_disk *d = acl;
	unsigned int seen = 0;
	unsigned int last = 0;

	if (len < sizeof(*d) || le32_get(d->version) != ACL_VERSION ||
	    (len - sizeof(*d)) % sizeof(struct acl_entry_disk) != 0)
		return -EINVAL;
	for (size_t i = 0; i < acl_count(len); i++) {
		unsigned int tag = le16_get(d->entry[i].tag);
		bool named = tag == TAG_USER || tag == TAG_GROUP;

		if (le16_get(d->entry[i].perm) > 7 || tag < last ||
		    (tag & (tag - 1)) != 0 || tag > TAG_OTHER || tag == 0 ||
		    (!named && (seen & tag)))
			return -EINVAL;
		seen |= tag;
		last = tag;
	}
	if (!(seen & TAG_USER_OBJ) || !(seen & TAG_GROUP_OBJ) ||
	    !(seen & TAG_OTHER))
		return -EINVAL;
	if ((seen & (TAG_USER | TAG_GROUP)) && !(seen & TAG_MASK))
		return -EINVAL;
	return 0;
}

/* The first entry of this tag, or NULL. */
static struct acl_entry_disk *acl_find(void *acl, size_t len, enum acl_tag tag)
{
	struct acl_disk *d = acl;

	for (size_t i = 0; i < acl_count(len); i++)
		if (le16_get(d->entry[i].tag) == tag)
			return &d->entry[i];
	return NULL;
}

static mode_t entry_perm(const struct acl_entry_disk *e)
{
	return le16_get(e->perm);
}

/* The entry that the group bits of a mode show: the mask if there is one. */
static struct acl_entry_disk *acl_group_class(void *acl, size_t len)
{
	struct acl_entry_disk *e = acl_find(acl, len, TAG_MASK);

	return e ? e : acl_find(acl, len, TAG_GROUP_OBJ);
}

mode_t acl_mode(const void *acl, size_t len, bool *minimal)
{
	void *a = (void *)(uintptr_t)acl; /* only read */

	*minimal = acl_count(len) == 3;
	return (mode_t)(entry_perm(acl_find(a, len, TAG_USER_OBJ)) << 6 |
			entry_perm(acl_group_class(a, len)) << 3 |
			entry_perm(acl_find(a, len, TAG_OTHER)));
}

static void entry_set(struct acl_entry_disk *e, mode_t perm)
{
	e->perm = le16_of((uint16_t)(perm & 7));
}

void acl_chmod(void *acl, size_t len, mode_t mode)
{
	entry_set(acl_find(acl, len, TAG_USER_OBJ), mode >> 6);
	entry_set(acl_group_class(acl, len), mode >> 3);
	entry_set(acl_find(acl, len, TAG_OTHER), mode);
}

void acl_inherit(void *acl, size_t len, mode_t *mode, bool *minimal)
{
	mode_t allowed = acl_mode(acl, len, minimal);

	*mode &= ~(mode_t)0777 | allowed;
	acl_chmod(acl, len, *mode);
}
