/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// What the operations cost one thread: both sides run in it, so no line moves.
// What it costs between two cores is measured by bench/channel_floor.

#include <benchmark/benchmark.h>

#include "atomic_user.h"
#include "channel.h"

namespace
{

struct Channel {
	explicit Channel(__u32 slots)
	{
		host.out = nic_out = View(out, slots);
		host.in = nic_in = View(in, slots);
		host.bell = { &watched, &asleep, &backlog, &bits, 1, 1 };
	}

	static lh_lane View(lh_line *lines, __u32 slots)
	{
		lh_lane lane = {};
		lane.lines = reinterpret_cast<__u8 *>(lines);
		lane.line_stride = sizeof(lh_line);
		lane.slots = slots;
		return lane;
	}

	alignas(128) lh_line out[8] = {};
	alignas(128) lh_line in[8] = {};
	__u64 watched = 1;
	__u64 asleep = 0;
	__u64 backlog = 0;
	__u64 bits = 0;
	lh_channel host = {};
	lh_lane nic_out = {};
	lh_lane nic_in = {};
};

void RingNobody(void *)
{
}

const lh_waiter kWaiter = { nullptr, nullptr, RingNobody, nullptr };

void BM_PutAndCollect(benchmark::State &state)
{
	Channel channel(static_cast<__u32>(state.range(0)));
	for (auto _ : state) {
		lh_line *line = lh_put_begin(&channel.host.out);
		line->header.call = 1;
		lh_put(&channel.host, line, &kWaiter);
		line = lh_collect_begin(&channel.nic_out);
		benchmark::DoNotOptimize(line->header.call);
		lh_collect_end(&channel.nic_out, line);
	}
}
BENCHMARK(BM_PutAndCollect)->Arg(2)->Arg(8);

void BM_DeliverTakeRelease(benchmark::State &state)
{
	Channel channel(static_cast<__u32>(state.range(0)));
	for (auto _ : state) {
		lh_line *line = lh_deliver_begin(&channel.nic_in);
		line->header.call = 1;
		benchmark::DoNotOptimize(lh_deliver_end(&channel.nic_in, line));
		line = lh_take(&channel.host.in);
		benchmark::DoNotOptimize(line->header.call);
		lh_release(&channel.host.in, line);
	}
}
BENCHMARK(BM_DeliverTakeRelease)->Arg(2)->Arg(8);

void BM_DeliverAndRevoke(benchmark::State &state)
{
	Channel channel(2);
	for (auto _ : state) {
		lh_line *line = lh_deliver_begin(&channel.nic_in);
		benchmark::DoNotOptimize(lh_deliver_end(&channel.nic_in, line));
		benchmark::DoNotOptimize(lh_revoke(&channel.nic_in));
	}
}
BENCHMARK(BM_DeliverAndRevoke);

void BM_ParkAndUnpark(benchmark::State &state)
{
	Channel channel(2);
	for (auto _ : state) {
		benchmark::DoNotOptimize(lh_park(&channel.host.in));
		benchmark::DoNotOptimize(lh_unpark(&channel.host.in));
	}
}
BENCHMARK(BM_ParkAndUnpark);

// After a put: watched or not, with the free light fence or the full one.
void BM_BellAfterPut(benchmark::State &state)
{
	Channel channel(2);
	channel.watched = state.range(0) != 0;
	channel.host.bell.asymmetric = state.range(1) != 0;
	for (auto _ : state)
		benchmark::DoNotOptimize(lh_bell_after_put(&channel.host.bell));
}
BENCHMARK(BM_BellAfterPut)
	->ArgNames({ "watched", "asymmetric" })
	->Args({ 1, 1 })
	->Args({ 1, 0 })
	->Args({ 0, 1 })
	->Args({ 0, 0 });

void BM_BellSetAndTake(benchmark::State &state)
{
	Channel channel(2);
	for (auto _ : state) {
		lh_bell_set(&channel.host.bell);
		benchmark::DoNotOptimize(lh_bell_take(&channel.bits));
	}
}
BENCHMARK(BM_BellSetAndTake);

} // namespace
