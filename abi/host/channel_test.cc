/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The operations of channel.h and bell.h, one side at a time: results, words and
// positions, also those that mean quarantine. Compiled twice: over
// atomic_user.h, and over atomic_kernel.h with the kernel's macros from
// testing/kernel_shim (LAUBERHORN_KERNEL_MACROS).

#ifdef LAUBERHORN_KERNEL_MACROS
#define CONFIG_X86 1
#include "atomic_kernel.h"
#else
#include "atomic_user.h"
#endif

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

// The word may move between a delivery's look and its compare-and-swap: so that
// a test can be the other side, each compare-and-swap is announced first.
namespace
{
std::function<void(__u64 *)> before_cas;

int AnnouncedCas(__u64 *address, __u64 old, __u64 value)
{
	const std::function<void(__u64 *)> announce = before_cas;
	if (announce)
		announce(address);
	return lh_cas64(address, old, value);
}
} // namespace
#undef lh_cas64
#define lh_cas64(address, old, value) AnnouncedCas(address, old, value)

#include "channel.h"

namespace
{

class ChannelTest : public ::testing::TestWithParam<__u32>
{
      public:
	ChannelTest()
	{
		const __u32 slots = GetParam();
		channel_.out = View(out_, slots);
		channel_.in = View(in_, slots);
		LH_ON_LANE(LH_LANE_OUT, out_, sizeof(lh_line), slots);
		LH_ON_LANE(LH_LANE_IN, in_, sizeof(lh_line), slots);
		nic_out_ = channel_.out;
		nic_in_ = channel_.in;
		channel_.bell = { &watched_, &asleep_,	&backlog_,
				  &bits_,    1ULL << 5, 0 };
		watched_ = 1;
	}

	~ChannelTest() override
	{
		before_cas = nullptr;
	}

	static lh_lane View(lh_line *lines, __u32 slots)
	{
		lh_lane lane = {};
		lane.lines = reinterpret_cast<__u8 *>(lines);
		lane.line_stride = sizeof(lh_line);
		lane.overflow = reinterpret_cast<__u8 *>(lines);
		lane.overflow_size = 64;
		lane.slots = slots;
		return lane;
	}

	__u32 slots() const
	{
		return GetParam();
	}

	// Gives a message, which says who it is in `call`.
	enum lh_delivery Deliver(__u64 call)
	{
		lh_line *line = lh_deliver_begin(&nic_in_);
		if (!line)
			return LH_NOT_EMPTY;
		line->header.call = call;
		return lh_deliver_end(&nic_in_, line);
	}

	void Put(__u64 call)
	{
		lh_line *line = lh_put_begin(&channel_.out);
		ASSERT_NE(line, nullptr);
		line->header.call = call;
		const lh_waiter waiter = { nullptr, nullptr, CountRing, this };
		lh_put(&channel_, line, &waiter);
	}

	static void CountRing(void *context)
	{
		++static_cast<ChannelTest *>(context)->rings_;
	}

	lh_line out_[8] = {};
	lh_line in_[8] = {};
	__u64 watched_ = 0;
	__u64 asleep_ = 0;
	__u64 backlog_ = 0;
	__u64 bits_ = 0;
	int rings_ = 0;
	lh_channel channel_ = {};
	lh_lane nic_out_ = {};
	lh_lane nic_in_ = {};
};

INSTANTIATE_TEST_SUITE_P(Slots, ChannelTest, ::testing::Values(2u, 3u, 8u));

TEST_P(ChannelTest, AddressesFollowStrides)
{
	lh_lane lane = View(in_, slots());
	lane.line_stride = 2 * sizeof(lh_line);
	EXPECT_EQ(lh_lane_line(&lane, 1), in_ + 2);
	EXPECT_EQ(lh_lane_overflow(&lane, 1), lane.overflow + 64);
	EXPECT_EQ(lh_lane_previous(&lane), slots() - 1);
}

TEST_P(ChannelTest, PutFillsUntilTheLaneIsFull)
{
	for (__u32 i = 0; i < slots(); ++i) {
		Put(i);
		EXPECT_EQ(out_[i].header.word, lh_word(LH_FULL, 1ull));
	}
	EXPECT_EQ(lh_put_begin(&channel_.out), nullptr);
	for (__u32 i = 0; i < slots(); ++i) {
		lh_line *line = lh_collect_begin(&nic_out_);
		ASSERT_EQ(line, &out_[i]);
		EXPECT_EQ(line->header.call, i);
		lh_collect_end(&nic_out_, line);
		EXPECT_EQ(line->header.word, lh_word(LH_FREE, 1ull));
	}
	EXPECT_EQ(lh_collect_begin(&nic_out_), nullptr);
	Put(7);
	EXPECT_EQ(out_[0].header.word, lh_word(LH_FULL, 2ull));
}

TEST_P(ChannelTest, DeliverTakeRelease)
{
	EXPECT_EQ(lh_take(&channel_.in), nullptr);
	for (__u64 i = 0; i < 3 * slots(); ++i) {
		EXPECT_EQ(Deliver(i), LH_DELIVERED);
		EXPECT_TRUE(lh_newest_waits(&nic_in_));
		lh_line *line = lh_take(&channel_.in);
		ASSERT_NE(line, nullptr);
		EXPECT_EQ(line->header.call, i);
		EXPECT_EQ(lh_state(line->header.word), 1u * LH_TAKEN);
		EXPECT_EQ(lh_tag(line->header.word), i / slots() + 1);
		EXPECT_FALSE(lh_newest_waits(&nic_in_));
		lh_release(&channel_.in, line);
		EXPECT_EQ(lh_state(line->header.word), 1u * LH_FREE);
	}
}

TEST_P(ChannelTest, NicFillsAllSlotsAndHostHoldsAllButOne)
{
	for (__u32 i = 0; i < slots(); ++i)
		EXPECT_EQ(Deliver(i), LH_DELIVERED);
	EXPECT_EQ(Deliver(99), LH_NOT_EMPTY);
	std::vector<lh_line *> held;
	for (__u32 i = 0; i + 1 < slots(); ++i) {
		held.push_back(lh_take(&channel_.in));
		ASSERT_NE(held.back(), nullptr);
	}
	EXPECT_EQ(lh_take(&channel_.in), nullptr);
	const lh_waiter never = {};
	EXPECT_EQ(lh_get(&channel_.in, &never), nullptr);
	// The last first: any order will do.
	lh_release(&channel_.in, held.back());
	held.pop_back();
	EXPECT_NE(lh_take(&channel_.in), nullptr);
}

TEST_P(ChannelTest, GetReturnsWhileTheNextSlotIsHeld)
{
	const lh_waiter waiter = { [](void *) { return 0; }, nullptr, nullptr,
				   nullptr };
	if (slots() == 2)
		GTEST_SKIP() << "with D = 2 one held slot is all it may hold";
	EXPECT_EQ(Deliver(0), LH_DELIVERED);
	lh_line *oldest = lh_take(&channel_.in);
	for (__u32 i = 1; i < slots(); ++i) {
		EXPECT_FALSE(lh_holds_next(&channel_.in));
		EXPECT_EQ(Deliver(i), LH_DELIVERED);
		lh_release(&channel_.in, lh_get(&channel_.in, &waiter));
	}
	EXPECT_TRUE(lh_holds_next(&channel_.in));
	EXPECT_EQ(lh_get(&channel_.in, &waiter), nullptr);
	EXPECT_EQ(Deliver(9), LH_NOT_EMPTY);
	lh_release(&channel_.in, oldest);
	EXPECT_FALSE(lh_holds_next(&channel_.in));
	EXPECT_EQ(Deliver(9), LH_DELIVERED);
}

TEST_P(ChannelTest, RevokedMessageIsFilledAgain)
{
	EXPECT_FALSE(lh_revoke(&nic_in_));
	EXPECT_EQ(Deliver(1), LH_DELIVERED);
	EXPECT_EQ(Deliver(2), LH_DELIVERED);
	EXPECT_TRUE(lh_revoke(&nic_in_));
	EXPECT_EQ(in_[1].header.word, lh_word(LH_FREE, 1ull));
	EXPECT_EQ(Deliver(3), LH_DELIVERED);
	EXPECT_EQ(in_[1].header.word, lh_word(LH_FULL, 2ull));
	lh_line *line = lh_take(&channel_.in);
	EXPECT_EQ(line->header.call, 1u);
	lh_release(&channel_.in, line);
	line = lh_take(&channel_.in);
	EXPECT_EQ(line->header.call, 3u);
	EXPECT_FALSE(lh_revoke(&nic_in_)) << "it was taken";
}

TEST_P(ChannelTest, RevokeLosesAgainstTheTake)
{
	EXPECT_EQ(Deliver(1), LH_DELIVERED);
	before_cas = [this](__u64 *) {
		before_cas = nullptr;
		EXPECT_NE(lh_take(&channel_.in), nullptr);
	};
	EXPECT_FALSE(lh_revoke(&nic_in_));
	EXPECT_EQ(nic_in_.position, 1 % slots());
}

TEST_P(ChannelTest, TakeLosesAgainstTheRevoke)
{
	EXPECT_EQ(Deliver(1), LH_DELIVERED);
	before_cas = [this](__u64 *) {
		before_cas = nullptr;
		EXPECT_TRUE(lh_revoke(&nic_in_));
	};
	EXPECT_EQ(lh_take(&channel_.in), nullptr);
	EXPECT_EQ(channel_.in.position, 0u);
	EXPECT_EQ(channel_.in.held, 0u);
}

TEST_P(ChannelTest, ParkedThreadIsToBeWoken)
{
	const __u64 parked = lh_park(&channel_.in);
	EXPECT_EQ(parked, lh_word(LH_PARKED, 0ull));
	EXPECT_EQ(lh_park(&channel_.in), 0u) << "parked already";
	EXPECT_EQ(Deliver(1), LH_DELIVERED_WAKE);
	EXPECT_FALSE(lh_unpark(&channel_.in)) << "a message came";
	EXPECT_NE(lh_take(&channel_.in), nullptr);
	EXPECT_EQ(lh_park(&channel_.in), lh_word(LH_PARKED, 0ull));
	EXPECT_TRUE(lh_unpark(&channel_.in));
	EXPECT_FALSE(lh_unpark(&channel_.in));
	EXPECT_EQ(Deliver(2), LH_DELIVERED);
	EXPECT_EQ(lh_park(&channel_.in), 0u) << "a message is there";
}

TEST_P(ChannelTest, ParkLosesAgainstTheDelivery)
{
	before_cas = [this](__u64 *) {
		before_cas = nullptr;
		EXPECT_EQ(Deliver(1), LH_DELIVERED);
	};
	EXPECT_EQ(lh_park(&channel_.in), 0u);
	EXPECT_EQ(in_[0].header.word, lh_word(LH_FULL, 1ull));
}

TEST_P(ChannelTest, CloseTakesWhatCameFirst)
{
	EXPECT_EQ(Deliver(1), LH_DELIVERED);
	EXPECT_FALSE(lh_close(&channel_.in));
	lh_release(&channel_.in, lh_take(&channel_.in));
	EXPECT_FALSE(lh_is_closed(&channel_.in));
	EXPECT_TRUE(lh_close(&channel_.in));
	EXPECT_TRUE(lh_is_closed(&channel_.in));
	EXPECT_TRUE(lh_close(&channel_.in)) << "again";
	EXPECT_EQ(lh_deliver_begin(&nic_in_), nullptr);
	EXPECT_EQ(lh_deliver_end(&nic_in_, lh_lane_next(&nic_in_)),
		  LH_LANE_CLOSED);
	EXPECT_TRUE(lh_reopen(&nic_in_));
	EXPECT_FALSE(lh_reopen(&nic_in_));
	EXPECT_EQ(Deliver(2), LH_DELIVERED);
}

TEST_P(ChannelTest, CloseOfAParkedLane)
{
	EXPECT_NE(lh_park(&channel_.in), 0u);
	EXPECT_TRUE(lh_close(&channel_.in));
}

TEST_P(ChannelTest, GetOnAClosedLaneReturns)
{
	EXPECT_TRUE(lh_close(&channel_.in));
	const lh_waiter waiter = { [](void *) { return 0; }, nullptr, nullptr,
				   nullptr };
	EXPECT_EQ(lh_get(&channel_.in, &waiter), nullptr);
}

TEST_P(ChannelTest, GetOnAnOverwrittenWordReturns)
{
	const lh_waiter waiter = { [](void *) { return 0; }, nullptr, nullptr,
				   nullptr };
	for (__u64 state = LH_STATES; state < 16; ++state) {
		in_[0].header.word = lh_word(state, 7ull);
		EXPECT_FALSE(lh_may_come(&channel_.in));
		EXPECT_EQ(lh_get(&channel_.in, &waiter), nullptr);
	}
}

TEST_P(ChannelTest, GetSpinsThenSleeps)
{
	struct Calls {
		ChannelTest *test;
		int spins;
		int sleeps;
	} calls = { this, 0, 0 };
	lh_waiter waiter = {};
	waiter.context = &calls;
	waiter.spin = [](void *context) {
		return static_cast<int>(++static_cast<Calls *>(context)->spins <
					3);
	};
	waiter.sleep = [](void *context, __u64 *word, __u64 parked) {
		Calls *c = static_cast<Calls *>(context);
		EXPECT_EQ(*word, parked);
		if (++c->sleeps < 2)
			return 1;
		EXPECT_EQ(c->test->Deliver(4), LH_DELIVERED_WAKE);
		return 1;
	};
	lh_line *line = lh_get(&channel_.in, &waiter);
	ASSERT_NE(line, nullptr);
	EXPECT_EQ(line->header.call, 4u);
	EXPECT_EQ(calls.spins, 4);
	EXPECT_EQ(calls.sleeps, 2);
}

TEST_P(ChannelTest, WhoLeavesLooksOnceMore)
{
	lh_waiter waiter = {};
	waiter.context = this;
	waiter.spin = [](void *) { return 0; };
	waiter.sleep = [](void *, __u64 *, __u64) { return 0; };
	EXPECT_EQ(lh_get(&channel_.in, &waiter), nullptr);
	EXPECT_EQ(in_[0].header.word, lh_word(LH_FREE, 0ull));
	waiter.sleep = [](void *context, __u64 *, __u64) {
		EXPECT_EQ(static_cast<ChannelTest *>(context)->Deliver(1),
			  LH_DELIVERED_WAKE);
		return 0;
	};
	EXPECT_NE(lh_get(&channel_.in, &waiter), nullptr);
}

TEST_P(ChannelTest, ExchangeGivesAndGets)
{
	EXPECT_EQ(Deliver(9), LH_DELIVERED);
	lh_line *line = lh_put_begin(&channel_.out);
	const lh_waiter waiter = {};
	line = lh_exchange(&channel_, line, &waiter);
	ASSERT_NE(line, nullptr);
	EXPECT_EQ(line->header.call, 9u);
	EXPECT_NE(lh_collect_begin(&nic_out_), nullptr);
}

TEST_P(ChannelTest, ContendedWordIsGivenUpAfter64Tries)
{
	lh_line *line = lh_deliver_begin(&nic_in_);
	int tries = 0;
	before_cas = [&tries](__u64 *word) {
		++tries;
		*word ^= LH_PARKED; // FREE, PARKED, FREE ...
	};
	EXPECT_EQ(lh_deliver_end(&nic_in_, line), LH_CONTENDED);
	EXPECT_EQ(tries, LH_DELIVER_TRIES);
	EXPECT_EQ(nic_in_.position, 0u);
}

TEST_P(ChannelTest, WordWithoutAStateIsRefused)
{
	for (__u64 state = LH_STATES; state < 16; ++state) {
		in_[0].header.word = lh_word(state, 3ull);
		EXPECT_EQ(lh_deliver_begin(&nic_in_), nullptr);
		EXPECT_EQ(lh_deliver_end(&nic_in_, &in_[0]), LH_BAD_WORD);
		EXPECT_EQ(lh_take(&channel_.in), nullptr);
		EXPECT_FALSE(lh_close(&channel_.in));
	}
	for (__u64 state : { __u64{ LH_FULL }, __u64{ LH_TAKEN } }) {
		in_[0].header.word = lh_word(state, 3ull);
		EXPECT_EQ(lh_deliver_end(&nic_in_, &in_[0]), LH_NOT_EMPTY);
	}
}

TEST_P(ChannelTest, BellRingsAsTheFlagsSay)
{
	Put(1);
	EXPECT_EQ(bits_, 0u);
	EXPECT_EQ(rings_, 0);
	watched_ = 0;
	bits_ = 1; // of another channel
	Put(2);
	EXPECT_EQ(bits_, 1u | 1u << 5);
	EXPECT_EQ(rings_, 0);
	EXPECT_EQ(lh_bell_take(&bits_), 1u | 1u << 5);
	EXPECT_EQ(lh_bell_take(&bits_), 0u);
}

TEST_P(ChannelTest, SleepingNicIsRung)
{
	asleep_ = 1;
	Put(1);
	EXPECT_EQ(bits_, 0u);
	EXPECT_EQ(rings_, 1);
}

TEST_P(ChannelTest, BellKeepsABitThatCameInBetween)
{
	before_cas = [](__u64 *bits) {
		before_cas = nullptr;
		*bits |= 2;
	};
	lh_bell_set(&channel_.bell);
	EXPECT_EQ(bits_, 2u | 1u << 5);
	before_cas = [](__u64 *bits) {
		before_cas = nullptr;
		*bits |= 4;
	};
	EXPECT_EQ(lh_bell_take(&bits_), 6u | 1u << 5);
	EXPECT_EQ(bits_, 0u);
}

TEST(FenceTest, BothKindsCanBeCalled)
{
	for (int asymmetric = 0; asymmetric < 2; ++asymmetric) {
		lh_light_fence(asymmetric);
		lh_bell_leave(asymmetric);
	}
}

} // namespace
