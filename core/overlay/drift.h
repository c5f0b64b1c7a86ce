/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_OVERLAY_DRIFT_H
#define MAPFS_CORE_OVERLAY_DRIFT_H

/*
 * Base files that were changed below the view after the view had changed them.
 *
 * Errors, locking: as mapfs_drift() in core/mapfs.h.
 */
#include "core/view/view.h"

int overlay_drift(struct mapfs_view *v, mapfs_drift_fn fn, void *arg);

#endif
