/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// Two processes: the NIC here, the host in a child, which is killed with SIGKILL
// at a random moment. The survivor then does what a kernel does for a thread that
// is gone: it collects what was put, takes back what was not taken, closes the
// lane, releases what the dead held, and opens the lane for the next child.
// Nothing may be lost that was not in the victim's hands, which is counted
// exactly: every message was replied to, came back, or was TAKEN without a reply.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <set>

#include "testing/stress.h"

namespace lauberhorn::testing
{
namespace
{

int SpinOften(void *context)
{
	return static_cast<Random *>(context)->Below(256) != 0;
}

int SleepOnFutex(void *, __u64 *word, __u64 parked)
{
	FutexWait(word, parked);
	return 1;
}

void RingNobody(void *)
{
}

// The child: takes, replies, releases, till it is killed.
[[noreturn]] void RunHost(StressMemory *memory, lh_lane out, lh_lane in,
			  uint64_t seed)
{
	Random random(seed);
	lh_channel channel = {};
	channel.out = out;
	channel.in = in;
	channel.bell = { &memory->watched,
			 &memory->asleep,
			 &memory->backlog,
			 &memory->bits,
			 1,
			 0 };
	const lh_waiter waiter = { SpinOften, SleepOnFutex, RingNobody,
				   &random };
	for (;;) {
		lh_line *line = lh_get(&channel.in, &waiter);
		if (!line)
			continue;
		const uint64_t number = ReadMessage(channel.in, line);
		// The handler, sometimes a slow one.
		if (random.Below(16) == 0)
			usleep(50);
		lh_line *reply = lh_put_begin(&channel.out);
		while (!reply)
			reply = lh_put_begin(&channel.out);
		WriteMessage(channel.out, reply, number);
		lh_put(&channel, reply, &waiter);
		lh_release(&channel.in, line);
	}
}

class Survivor
{
      public:
	Survivor(StressMemory *memory, __u32 slots)
		: memory_(memory), out_(ViewOf(memory, LH_LANE_OUT, slots)),
		  in_(ViewOf(memory, LH_LANE_IN, slots)), random_(slots)
	{
		Announce(memory, slots);
		memory->watched = 1;
	}

	// One child, from fork to the last look at what it left.
	void OneLife()
	{
		const pid_t child = fork();
		ASSERT_GE(child, 0) << "cannot fork";
		if (child == 0)
			RunHost(memory_, out_, in_, random_.Below(1 << 30));
		const auto end = std::chrono::steady_clock::now() +
				 std::chrono::microseconds(random_.Below(3000));
		while (std::chrono::steady_clock::now() < end) {
			Deliver();
			Collect();
			if (random_.Below(64) == 0 && lh_revoke(&in_))
				CountBack();
		}
		kill(child, SIGKILL);
		int status = 0;
		ASSERT_EQ(waitpid(child, &status, 0), child);
		ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			<< "the child ended by itself, status " << status;
		CloseForTheDead();
	}

	// A busy machine may need longer for it.
	bool TookAllPaths() const
	{
		return replied > 0 && back > 0 && lives_that_held > 0 &&
		       lives_that_slept > 0;
	}

	uint64_t delivered = 0;
	uint64_t replied = 0;
	uint64_t back = 0;
	uint64_t in_hands = 0;
	uint64_t lives_that_held = 0;
	uint64_t lives_that_slept = 0;

      private:
	void Deliver()
	{
		lh_line *line = lh_deliver_begin(&in_);
		if (!line)
			return;
		WriteMessage(in_, line, next_);
		const __u64 *word = &line->header.word;
		const enum lh_delivery done = lh_deliver_end(&in_, line);
		if (done != LH_DELIVERED && done != LH_DELIVERED_WAKE)
			return;
		open_.insert(next_++);
		++delivered;
		if (done == LH_DELIVERED_WAKE)
			FutexWake(word);
	}

	void Collect()
	{
		for (;;) {
			lh_line *line = lh_collect_begin(&out_);
			if (!line)
				return;
			const uint64_t number = ReadMessage(out_, line);
			EXPECT_EQ(open_.erase(number), 1u)
				<< "reply to " << number
				<< ", which is torn, or was not open";
			++replied;
			lh_collect_end(&out_, line);
		}
	}

	// The newest came back.
	void CountBack()
	{
		ASSERT_FALSE(open_.empty());
		open_.erase(--next_);
		++back;
	}

	void CloseForTheDead()
	{
		Collect();
		while (lh_revoke(&in_))
			CountBack();
		lh_lane dead = in_;
		lives_that_slept +=
			lh_state(lh_lane_next(&dead)->header.word) == LH_PARKED;
		ASSERT_TRUE(lh_close(&dead));
		ASSERT_FALSE(lh_deliver_begin(&in_));

		uint64_t held = 0;
		for (__u32 slot = 0; slot < in_.slots; ++slot) {
			lh_line *line = lh_lane_line(&in_, slot);
			if (lh_state(line->header.word) != LH_TAKEN)
				continue;
			// A reply that was put counts as one.
			held += open_.erase(ReadMessage(in_, line));
			dead.held = 1;
			lh_release(&dead, line);
		}
		in_hands += held;
		lives_that_held += held > 0;
		EXPECT_LT(held, in_.slots);
		EXPECT_TRUE(open_.empty())
			<< open_.size() << " messages are lost";
		open_.clear();
		ASSERT_TRUE(lh_reopen(&in_));
	}

	StressMemory *memory_;
	lh_lane out_;
	lh_lane in_;
	Random random_;
	uint64_t next_ = 0;
	std::set<uint64_t> open_; // delivered, not replied to, not back
};

class ChannelProcessStressTest : public ::testing::TestWithParam<__u32>
{
};

INSTANTIATE_TEST_SUITE_P(Slots, ChannelProcessStressTest,
			 ::testing::Values(2u, 3u, 8u));

TEST_P(ChannelProcessStressTest, OnlyWhatTheDeadHeldIsLost)
{
	void *pages =
		mmap(nullptr, sizeof(StressMemory), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(pages, MAP_FAILED);
	Survivor survivor(static_cast<StressMemory *>(pages), GetParam());
	const auto end = std::chrono::steady_clock::now() + StressTime() / 3;
	uint64_t lives = 0;
	while (!HasFailure() && (std::chrono::steady_clock::now() < end ||
				 !survivor.TookAllPaths())) {
		survivor.OneLife();
		++lives;
	}
	EXPECT_EQ(survivor.delivered,
		  survivor.replied + survivor.back + survivor.in_hands);
	std::cout << lives << " children killed; " << survivor.delivered
		  << " messages, " << survivor.replied << " replies, "
		  << survivor.back << " came back, " << survivor.in_hands
		  << " in a victim's hands; " << survivor.lives_that_slept
		  << " were asleep\n";
	munmap(pages, sizeof(StressMemory));
}

} // namespace
} // namespace lauberhorn::testing
