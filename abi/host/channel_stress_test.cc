/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Two threads, one the NIC and one the host, over the real macros and futexes:
// deliveries, revokes, parked and refused sleeps, replies, a NIC that sleeps and
// is rung, close and reopen, all at random, every message checked.
//
// Under ThreadSanitizer: it follows the acquire loads, release stores and
// compare-and-swaps, so a message that they do not order is reported. It does not
// follow the two fences of bell.h; their order of store and load is checked by
// header_interleavings, and here by what the processor really does: a lost ring
// or wake hangs the test.

#include <gtest/gtest.h>
#include <linux/membarrier.h>
#include <sched.h>

#include <chrono>
#include <memory>
#include <thread>
#include <tuple>
#include <vector>

#include "testing/stress.h"

namespace lauberhorn::testing
{
namespace
{

constexpr __u8 kStop = LH_KIND_RETIRE;

struct World {
	StressMemory memory = {};
	__u32 slots = 0;
	int asymmetric = 0;
};

class Nic
{
      public:
	Nic(World *world, uint64_t seed)
		: memory_(&world->memory), asymmetric_(world->asymmetric),
		  out_(ViewOf(&world->memory, LH_LANE_OUT, world->slots)),
		  in_(ViewOf(&world->memory, LH_LANE_IN, world->slots)),
		  random_(seed)
	{
	}

	void Run(std::chrono::steady_clock::time_point end)
	{
		while (std::chrono::steady_clock::now() < end ||
		       !TookAllPaths()) {
			for (int i = 0; i < 1000; ++i)
				Turn();
		}
		while (replied_ < delivered_)
			Collect();
		// Whatever the host does meanwhile, the last message comes.
		while (!Deliver(kStop)) {
		}
	}

	// A busy machine may need longer for it.
	bool TookAllPaths() const
	{
		return delivered_ > 1000 && revoked > 0 && woken > 0 &&
		       slept > 0 && reopened > 1;
	}

	uint64_t delivered() const
	{
		return delivered_;
	}

	uint64_t replied() const
	{
		return replied_;
	}

	uint64_t revoked = 0;
	uint64_t woken = 0;
	uint64_t reopened = 0;
	uint64_t slept = 0;

      private:
	void Turn()
	{
		Collect();
		const bool given =
			random_.Below(4) != 0 && Deliver(LH_KIND_CALL);
		if (given && random_.Below(4) == 0 && lh_newest_waits(&in_) &&
		    lh_revoke(&in_)) {
			--delivered_;
			++revoked;
		}
		if (!given && replied_ < delivered_ && random_.Below(8) == 0)
			Sleep();
	}

	bool Deliver(__u8 kind)
	{
		if (lh_reopen(&in_))
			++reopened;
		lh_line *line = lh_deliver_begin(&in_);
		if (!line)
			return false;
		WriteMessage(in_, line, delivered_);
		line->header.kind = kind;
		const __u64 *word = &line->header.word;
		const enum lh_delivery done = lh_deliver_end(&in_, line);
		if (done != LH_DELIVERED && done != LH_DELIVERED_WAKE)
			return false;
		++delivered_;
		if (done == LH_DELIVERED_WAKE) {
			++woken;
			FutexWake(word);
		}
		return true;
	}

	bool Collect()
	{
		lh_line *line = lh_collect_begin(&out_);
		if (!line)
			return false;
		EXPECT_EQ(ReadMessage(out_, line), replied_);
		++replied_;
		lh_collect_end(&out_, line);
		return true;
	}

	// Something is on its way to the host, so a put will come.
	void Sleep()
	{
		const __u64 seen =
			__atomic_load_n(&memory_->rings, __ATOMIC_SEQ_CST);
		const bool unwatch = random_.Below(2) == 0;
		if (unwatch)
			lh_store_release(&memory_->watched, 0);
		lh_store_release(&memory_->asleep, 1);
		lh_bell_leave(asymmetric_);
		if (!lh_collect_begin(&out_) &&
		    !lh_load_acquire(&memory_->bits)) {
			++slept;
			while (__atomic_load_n(&memory_->rings,
					       __ATOMIC_SEQ_CST) == seen)
				FutexWait(&memory_->rings, seen);
		}
		lh_store_release(&memory_->asleep, 0);
		lh_bell_take(&memory_->bits);
		lh_store_release(&memory_->watched, 1);
	}

	StressMemory *memory_;
	int asymmetric_;
	lh_lane out_;
	lh_lane in_;
	Random random_;
	uint64_t delivered_ = 0;
	uint64_t replied_ = 0;
};

class Host
{
      public:
	Host(World *world, uint64_t seed) : random_(seed)
	{
		StressMemory *memory = &world->memory;
		channel_.out = ViewOf(memory, LH_LANE_OUT, world->slots);
		channel_.in = ViewOf(memory, LH_LANE_IN, world->slots);
		channel_.bell = { &memory->watched,
				  &memory->asleep,
				  &memory->backlog,
				  &memory->bits,
				  1,
				  world->asymmetric };
		rings_ = &memory->rings;
		waiter_ = { Spin, Sleep, Ring, this };
	}

	void Run()
	{
		bool stopped = false;
		while (!stopped) {
			if (random_.Below(2000) == 0) {
				stopped = CloseAndWait();
				continue;
			}
			lh_line *line = lh_get(&channel_.in, &waiter_);
			stopped = Serve(line);
		}
		while (!held_.empty())
			ReleaseOne();
	}

	uint64_t taken = 0;
	uint64_t closed = 0;
	uint64_t rung = 0;

      private:
	static int Spin(void *context)
	{
		return static_cast<Host *>(context)->random_.Below(64) != 0;
	}

	static int Sleep(void *context, __u64 *word, __u64 parked)
	{
		Host *host = static_cast<Host *>(context);
		const uint64_t choice = host->random_.Below(8);
		if (choice == 0)
			return 0; // left at once
		if (choice == 1)
			return 1; // for no reason
		while (lh_load_acquire(word) == parked)
			FutexWait(word, parked);
		return 1;
	}

	static void Ring(void *context)
	{
		Host *host = static_cast<Host *>(context);
		++host->rung;
		__atomic_add_fetch(host->rings_, 1, __ATOMIC_SEQ_CST);
		FutexWake(host->rings_);
	}

	// Replies to the message, if there is one; true: it was the last.
	bool Serve(lh_line *line)
	{
		if (!line) {
			if (!held_.empty())
				ReleaseOne();
			return false;
		}
		const uint64_t number = ReadMessage(channel_.in, line);
		EXPECT_EQ(number, taken);
		++taken;
		const bool stop = line->header.kind == kStop;
		held_.push_back(line);
		if (!stop)
			Reply(number);
		while (held_.size() + 1 >= channel_.in.slots ||
		       (!held_.empty() && random_.Below(2)))
			ReleaseOne();
		return stop;
	}

	void Reply(uint64_t number)
	{
		lh_line *line = lh_put_begin(&channel_.out);
		while (!line) {
			sched_yield();
			line = lh_put_begin(&channel_.out);
		}
		WriteMessage(channel_.out, line, number);
		lh_put(&channel_, line, &waiter_);
	}

	void ReleaseOne()
	{
		const size_t which = random_.Below(held_.size());
		lh_release(&channel_.in, held_[which]);
		held_.erase(held_.begin() + static_cast<long>(which));
	}

	// The thread goes, and comes back as the next one.
	bool CloseAndWait()
	{
		for (;;) {
			while (!held_.empty())
				ReleaseOne();
			if (lh_close(&channel_.in))
				break;
			lh_line *line = lh_take(&channel_.in);
			if (line && Serve(line))
				return true;
		}
		++closed;
		while (lh_is_closed(&channel_.in))
			sched_yield();
		return false;
	}

	lh_channel channel_ = {};
	lh_waiter waiter_ = {};
	__u64 *rings_ = nullptr;
	std::vector<lh_line *> held_;
	Random random_;
};

class ChannelStressTest : public ::testing::TestWithParam<std::tuple<int, bool>>
{
};

INSTANTIATE_TEST_SUITE_P(All, ChannelStressTest,
			 ::testing::Combine(::testing::Values(2, 3, 8),
					    ::testing::Bool()));

TEST_P(ChannelStressTest, EveryMessageComesOnceAndInOrder)
{
	auto world = std::make_unique<World>();
	world->slots = static_cast<__u32>(std::get<0>(GetParam()));
	Announce(&world->memory, world->slots);
	world->asymmetric = std::get<1>(GetParam());
	world->memory.watched = 1;
	if (world->asymmetric &&
	    syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
		    0, 0) != 0)
		GTEST_SKIP() << "this kernel has no private expedited "
				"membarrier";

	const auto end = std::chrono::steady_clock::now() + StressTime() / 6;
	Nic nic(world.get(), world->slots);
	Host host(world.get(), world->slots + 100);
	std::thread nic_thread([&] { nic.Run(end); });
	host.Run();
	nic_thread.join();

	EXPECT_EQ(host.taken, nic.delivered());
	EXPECT_EQ(nic.replied() + 1, nic.delivered()) << "all but the last";
	EXPECT_GT(host.rung, 0u);
	EXPECT_EQ(nic.reopened, host.closed);
}

} // namespace
} // namespace lauberhorn::testing
