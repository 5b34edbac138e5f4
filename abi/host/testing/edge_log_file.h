/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * edge_log_file.h - what is in a log of edges: for who writes and who reads it
 */
#ifndef LH_HOST_TESTING_EDGE_LOG_FILE_H
#define LH_HOST_TESTING_EDGE_LOG_FILE_H

#include <linux/types.h>

/* The file: a head, then the records. */
#define LH_EDGE_LOG_MAGIC 0x474f4c4547444548ULL /* "HEDGELOG" read as bytes */

struct lh_edge_log_head {
  __u64 magic;
  __u64 places; /* for records */
  __u64 next;   /* place; beyond @places if some were dropped */
  __u64 ended;  /* 1: the process came to its end, nothing is missing */
};

/* @what is 0 while the record is being written. */
struct lh_edge_log_record {
  __u64 what;  /* address, and the edge plus 1 in the upper 8 bits */
  __u64 old;   /* lane: direction << 32 | slots */
  __u64 value; /* lane: stride */
};

#define LH_EDGE_LOG_LANE 255 /* in place of an edge plus 1 */

#endif /* LH_HOST_TESTING_EDGE_LOG_FILE_H */
