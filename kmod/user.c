// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * Users, and the memory that their processes have of devices.
 *
 * What: a user has what all of its parts take, of whatever device and epoch, until
 * neither process nor NIC maps them. So a process that keeps the part of a NIC that
 * is down has no more than others.
 *
 * Locking: one spin lock for all; memory goes in interrupts as well.
 */

#include <linux/err.h>
#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "lauberhorn.h"

/**
 * struct lh_user - a user that has memory
 * @list: all of them
 * @uid: who
 * @memory: how much, never 0
 */
struct lh_user {
	struct list_head list;
	kuid_t uid;
	u64 memory;
};

static LIST_HEAD(lh_users);
static DEFINE_SPINLOCK(lh_users_lock);

/* Under the lock. */
static struct lh_user *lh_user_find(kuid_t uid)
{
	struct lh_user *user;

	list_for_each_entry(user, &lh_users, list)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/**
 * lh_user_charge() - a user gets memory
 * @uid: who
 * @size: how much, not 0
 *
 * Return: the user, for lh_user_uncharge(); -EDQUOT if it would have too much;
 * -ENOMEM.
 */
struct lh_user *lh_user_charge(kuid_t uid, u64 size)
{
	struct lh_user *made = kzalloc(sizeof(*made), GFP_KERNEL_ACCOUNT);
	u64 limit = (u64)lh_max_memory_per_user * SZ_1M;
	struct lh_user *user;

	if (!made)
		return ERR_PTR(-ENOMEM);
	scoped_guard(spinlock_irqsave, &lh_users_lock) {
		user = lh_user_find(uid);
		if (size > limit || (user && user->memory > limit - size)) {
			user = ERR_PTR(-EDQUOT);
		} else if (user) {
			user->memory += size;
		} else {
			user = made;
			made = NULL;
			user->uid = uid;
			user->memory = size;
			list_add(&user->list, &lh_users);
		}
	}
	kfree(made);
	return user;
}

/**
 * lh_user_uncharge() - memory of a user is free
 * @user: of lh_user_charge()
 * @size: as there
 *
 * In any context but NMI.
 */
void lh_user_uncharge(struct lh_user *user, u64 size)
{
	scoped_guard(spinlock_irqsave, &lh_users_lock) {
		user->memory -= size;
		if (user->memory)
			return;
		list_del(&user->list);
	}
	kfree(user);
}
