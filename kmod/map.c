// SPDX-License-Identifier: GPL-2.0
// SPDX-FileCopyrightText: The Lauberhorn authors
/*
 * The memory that processes and the NIC share, and their mappings of it.
 *
 * What: a part is allocated as a whole, zeroed, page by page, and charged to the
 * cgroup of whoever attaches. A page that is there from the beginning cannot be
 * refused later, when the NIC touches it, which must neither wait for a process's
 * limits nor die of them. Only page tables are filled on demand.
 *
 * A process maps its own part, and the NIC all parts; both shared, and a child
 * inherits none. The process may not write the information page, its first.
 *
 * Locking: the device's lock for who may map, and for the count of a process's
 * mappings; a fault takes none, as memory stays what it is while it is mapped.
 */

#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "lauberhorn.h"

/* What the process may not write is whole pages. */
static_assert(sizeof(struct lh_info) == PAGE_SIZE);

static void lh_memory_free(struct kref *kref)
{
	struct lh_memory *memory = container_of(kref, struct lh_memory, kref);

	vfree(memory->base);
	if (memory->user)
		lh_user_uncharge(memory->user, memory->size);
	kfree(memory);
}

/**
 * lh_memory_make() - zeroed memory to map, charged to the calling process's cgroup
 * @size: in bytes, whole pages
 * @user: that was charged with it, or NULL; not any more if there is none
 *
 * Return: the memory, for lh_memory_put(); NULL if there is none.
 */
struct lh_memory *lh_memory_make(u64 size, struct lh_user *user)
{
	struct lh_memory *memory;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory) {
		if (user)
			lh_user_uncharge(user, size);
		return NULL;
	}
	kref_init(&memory->kref);
	memory->size = size;
	memory->user = user;
	/* Who may not have so much is refused, not killed. */
	memory->base =
		__vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
					__GFP_RETRY_MAYFAIL);
	if (memory->base)
		return memory;
	lh_memory_put(memory);
	return NULL;
}

/**
 * lh_memory_put() - drop a hold on memory
 * @memory: which, or NULL
 *
 * In any context but NMI.
 */
void lh_memory_put(struct lh_memory *memory)
{
	if (memory)
		kref_put(&memory->kref, lh_memory_free);
}

/* What may be mapped at all, by whom it may: shared, and all within @memory. */
static int lh_check(struct vm_area_struct *vma, u64 pages)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff >= pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;
	return 0;
}

/* No child inherits it, nobody else can reach it, and it is not code. */
static void lh_prepare(struct vm_area_struct *vma, void *data,
		       const struct vm_operations_struct *operations)
{
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP |
				  VM_DONTCOPY);
	vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_private_data = data;
	vma->vm_ops = operations;
}

static vm_fault_t lh_insert(struct vm_fault *vmf,
			    const struct lh_memory *memory, pgoff_t page)
{
	unsigned long pfn;

	if (page >= memory->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	pfn = vmalloc_to_pfn(memory->base + (page << PAGE_SHIFT));
	return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
}

static int lh_may_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

/* A process's own part */

static void lh_process_vma_open(struct vm_area_struct *vma)
{
	struct lh_process *process = vma->vm_private_data;

	guard(mutex)(&process->device->lock);
	process->mappings++;
}

static void lh_process_vma_close(struct vm_area_struct *vma)
{
	struct lh_process *process = vma->vm_private_data;

	guard(mutex)(&process->device->lock);
	if (--process->mappings == 0)
		lh_process_leave(process);
}

static vm_fault_t lh_process_fault(struct vm_fault *vmf)
{
	struct lh_process *process = vmf->vma->vm_private_data;

	return lh_insert(vmf, process->memory, vmf->pgoff);
}

static const struct vm_operations_struct lh_process_vm = {
	.open = lh_process_vma_open,
	.close = lh_process_vma_close,
	.may_split = lh_may_split,
	.fault = lh_process_fault,
};

/**
 * lh_process_mmap() - a process maps its part, or some pages of it
 * @file: its attachment
 * @vma: where
 *
 * The information page is read-only, so it is mapped apart from the rest.
 *
 * Return: 0; -EPERM if the file is another process's; -ENOTCONN if it is not
 * attached; -ENODEV if the NIC is gone; -EINVAL if it is private or beyond the
 * part; -EACCES if it could write the information page, or execute.
 */
int lh_process_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lh_process *process = file->private_data;
	int error;

	if (vma->vm_mm != process->mm)
		return -EPERM;
	guard(mutex)(&process->device->lock);
	error = lh_process_serves(process);
	if (error)
		return error;
	error = lh_check(vma, process->memory->size >> PAGE_SHIFT);
	if (error)
		return error;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	if (vma->vm_pgoff == 0) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	lh_prepare(vma, process, &lh_process_vm);
	process->mappings++;
	return 0;
}

/* The NIC: the kernel's part and all processes' */

static void lh_nic_vma_open(struct vm_area_struct *vma)
{
	struct lh_memory *memory = vma->vm_private_data;

	kref_get(&memory->kref);
}

static void lh_nic_vma_close(struct vm_area_struct *vma)
{
	lh_memory_put(vma->vm_private_data);
}

static vm_fault_t lh_nic_fault(struct vm_fault *vmf)
{
	struct lh_memory *memory = vmf->vma->vm_private_data;

	return lh_insert(vmf, memory, vmf->pgoff - memory->first);
}

static const struct vm_operations_struct lh_nic_vm = {
	.open = lh_nic_vma_open,
	.close = lh_nic_vma_close,
	.may_split = lh_may_split,
	.fault = lh_nic_fault,
};

/* The memory at this page of the NIC's node, or NULL. */
static struct lh_memory *lh_nic_memory(struct lh_nic *nic, pgoff_t page)
{
	pgoff_t first = nic->memory->size >> PAGE_SHIFT;
	struct lh_process *process;
	u64 place;

	if (page < first)
		return nic->memory;
	place = div64_u64(page - first, nic->geometry.part_size >> PAGE_SHIFT);
	if (place >= nic->geometry.processes)
		return NULL;
	process = lh_place_at(nic, place);
	if (!process || process->state == LH_PROCESS_ENDED)
		return NULL;
	return process->memory;
}

/**
 * lh_nic_mmap() - the NIC maps the kernel's part, or one of a process
 * @file: its node
 * @vma: where
 *
 * Return: 0; -EPERM if the file is another process's; -ENODEV if it has not
 * attached, or is down; -EINVAL if it is private, or nothing is there, or more than
 * one part; -EACCES if it could execute.
 */
int lh_nic_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lh_nic *nic = file->private_data;
	struct lh_memory *memory;
	pgoff_t pages;

	if (vma->vm_mm != nic->mm)
		return -EPERM;
	guard(mutex)(&nic->device->lock);
	if (!nic->attached || nic->down)
		return -ENODEV;
	memory = lh_nic_memory(nic, vma->vm_pgoff);
	if (!memory)
		return -EINVAL;
	pages = memory->first + (memory->size >> PAGE_SHIFT);
	if (lh_check(vma, pages))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	kref_get(&memory->kref);
	lh_prepare(vma, memory, &lh_nic_vm);
	return 0;
}
