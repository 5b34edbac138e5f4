/* SPDX-License-Identifier: GPL-2.0 */
/* SPDX-FileCopyrightText: The Lauberhorn authors */
/*
 * recorder.h - between the two files of the recorder
 */
#ifndef LH_RECORDER_H
#define LH_RECORDER_H

#include <linux/percpu.h>
#include <linux/types.h>

#include "record.h"

struct rq;

struct buffer {
	struct rq *queue;
	struct lh_record *records;
	unsigned int used; /* also counts those for which there was no room */
	unsigned int words;
	/* Of the CPU's queue, under its lock: */
	unsigned int nr_running;
	unsigned int delayed;
	unsigned int delayed_wakeups;
};

DECLARE_PER_CPU(struct buffer, buffers);

extern unsigned int capacity;
extern unsigned long masks;

/* Of the last record that counts, when the recording has ended. */
extern u64 end_seq;

int start_recording(void);

/* When this returns nothing is recorded any more; may be called twice. */
void stop_recording(void);

/* Of the calling thread. */
void record_mark(const struct lh_mark *mark);

#endif /* LH_RECORDER_H */
