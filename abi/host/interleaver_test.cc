/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/* SPDX-FileCopyrightText: The Lauberhorn authors */

// The scheduler itself: its memory model by the litmus tests whose outcomes are
// known for x86-TSO, and its reduction by running generated programs with and
// without it: both must reach the same outcomes.

#include "testing/interleaver.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace lauberhorn::testing
{
namespace
{

constexpr int kWords = 4;
alignas(64) Word memory[kWords];

Interleaver &Now()
{
	return Interleaver::Current();
}

// Fibers given as functions; every outcome that a schedule leaves is collected.
class Program : public Scenario
{
      public:
	using Body = std::function<void(std::ostream &)>;

	explicit Program(std::vector<Body> bodies) : bodies_(std::move(bodies))
	{
	}

	void Start(Interleaver &run) override
	{
		for (Word &word : memory)
			word = 0;
		results_.clear();
		results_.resize(bodies_.size());
		for (size_t i = 0; i < bodies_.size(); ++i) {
			run.Spawn("fiber " + std::to_string(i),
				  [this, i] { bodies_[i](results_[i]); });
		}
	}

	void Finish(Interleaver &) override
	{
		outcomes.insert(Text());
	}

	// What all fibers have written, and memory.
	std::string Text() const
	{
		std::ostringstream text;
		for (const std::ostringstream &result : results_) {
			text << result.str() << "|";
		}
		for (Word word : memory)
			text << " " << word;
		return text.str();
	}

	std::set<std::string> outcomes;

      private:
	const std::vector<Body> bodies_;
	std::vector<std::ostringstream> results_;
};

Outcome RunAll(Program &program, const Options &options = {})
{
	Interleaver run(memory, sizeof(memory));
	return run.Run(program, options);
}

// Two fibers that store to one word each and then load the other's.
std::set<std::string> StoreBuffering(bool first_fences, bool second_heavy,
				     Fault fault = Fault::kNone)
{
	Program program({ [=](std::ostream &out) {
				 Now().Store(&memory[0], 1);
				 if (first_fences)
					 Now().LightFence(false);
				 out << Now().Load(&memory[1]);
			 },
			  [=](std::ostream &out) {
				  Now().Store(&memory[1], 1);
				  Now().HeavyFence(second_heavy);
				  out << Now().Load(&memory[0]);
			  } });
	Options options;
	options.fault = fault;
	EXPECT_TRUE(RunAll(program, options).exhaustive);
	return program.outcomes;
}

const std::set<std::string> kOrdered = { "0|1| 1 1 0 0", "1|0| 1 1 0 0",
					 "1|1| 1 1 0 0" };

TEST(MemoryModelTest, StoresMayPassLaterLoads)
{
	std::set<std::string> all = kOrdered;
	all.insert("0|0| 1 1 0 0");
	EXPECT_EQ(StoreBuffering(false, false), all);
	EXPECT_EQ(StoreBuffering(true, false, Fault::kNoHeavyFence), all);
	EXPECT_EQ(StoreBuffering(true, false, Fault::kNoLightFence), all);
}

TEST(MemoryModelTest, TwoFullFencesOrder)
{
	EXPECT_EQ(StoreBuffering(true, false), kOrdered);
}

TEST(MemoryModelTest, HeavyFenceReachesTheOther)
{
	EXPECT_EQ(StoreBuffering(false, true), kOrdered);
	EXPECT_EQ(StoreBuffering(false, true, Fault::kHeavyFenceReachesSelf)
			  .size(),
		  4u);
}

TEST(MemoryModelTest, StoresStayInOrder)
{
	Program program({ [](std::ostream &) {
				 Now().Store(&memory[0], 1);
				 Now().Store(&memory[1], 1);
			 },
			  [](std::ostream &out) {
				  out << Now().Load(&memory[1]);
				  out << Now().Load(&memory[0]);
			  } });
	EXPECT_TRUE(RunAll(program).exhaustive);
	EXPECT_EQ(program.outcomes,
		  (std::set<std::string>{ "|00| 1 1 0 0", "|01| 1 1 0 0",
					  "|11| 1 1 0 0" }));
}

TEST(MemoryModelTest, CompareAndSwapOfTwoHasOneWinner)
{
	const auto body = [](std::ostream &out) {
		out << Now().Cas(&memory[0], 0, 1);
	};
	Program program({ body, body, body });
	const Outcome outcome = RunAll(program);
	EXPECT_EQ(program.outcomes,
		  (std::set<std::string>{ "0|0|1| 1 0 0 0", "0|1|0| 1 0 0 0",
					  "1|0|0| 1 0 0 0" }));
	EXPECT_EQ(outcome.schedules, 6u); // the orders of three
}

TEST(MemoryModelTest, IndependentStepsAreRunInOneOrder)
{
	Program program({ [](std::ostream &) { Now().Store(&memory[0], 1); },
			  [](std::ostream &) { Now().Store(&memory[1], 1); },
			  [](std::ostream &) { Now().Store(&memory[2], 1); } });
	EXPECT_EQ(RunAll(program).schedules, 1u);
}

// A message that is handed over by a word.
Outcome HandOver(Fault fault)
{
	Program program({ [](std::ostream &) {
				 Now().PlainStore(&memory[0], 7);
				 Now().Store(&memory[1], 1);
			 },
			  [](std::ostream &out) {
				  if (Now().Load(&memory[1]) == 1) {
					  out << Now().PlainLoad(&memory[0]);
				  }
			  } });
	Options options;
	options.fault = fault;
	return RunAll(program, options);
}

TEST(MemoryModelTest, ReleaseAndAcquireAreNeeded)
{
	EXPECT_EQ(HandOver(Fault::kNone).violation, "");
	for (Fault fault : { Fault::kStoreIsRelaxed, Fault::kLoadIsRelaxed }) {
		EXPECT_NE(HandOver(fault).violation.find(
				  "no release and acquire"),
			  std::string::npos);
	}
}

Outcome SleepAndWake(Fault fault)
{
	Program program({ [](std::ostream &) {
				 Now().Cas(&memory[0], 0, 1);
				 Now().Wake(&memory[0]);
			 },
			  [](std::ostream &out) {
				  out << Now().Sleep(&memory[0], 0, false);
			  } });
	Options options;
	options.fault = fault;
	return RunAll(program, options);
}

TEST(SleepTest, IsWokenOrDoesNotSleep)
{
	const Outcome outcome = SleepAndWake(Fault::kNone);
	EXPECT_EQ(outcome.violation, "");
	EXPECT_TRUE(outcome.exhaustive);
}

TEST(SleepTest, LostWakeIsReportedAndCanBeReplayed)
{
	for (Fault fault : { Fault::kSleepDoesNotLook, Fault::kWakeIsLost }) {
		const Outcome outcome = SleepAndWake(fault);
		EXPECT_NE(outcome.violation.find("nobody can move"),
			  std::string::npos);
		EXPECT_NE(outcome.trace.find("goes to sleep on word 0"),
			  std::string::npos);
		EXPECT_FALSE(outcome.exhaustive);
		EXPECT_NE(outcome.replay, "");
	}
}

TEST(SleepTest, MayEndForNoReason)
{
	Program program({ [](std::ostream &) {},
			  [](std::ostream &out) {
				  out << Now().Sleep(&memory[0], 0, true);
			  } });
	EXPECT_EQ(RunAll(program).violation, "");
	EXPECT_EQ(program.outcomes, (std::set<std::string>{ "|0| 0 0 0 0" }));
}

TEST(SearchTest, BoundedIsNotExhaustive)
{
	const auto body = [](std::ostream &) { Now().Cas(&memory[0], 0, 1); };
	Program program({ body, body, body });
	Options options;
	options.most_schedules = 5;
	const Outcome outcome = RunAll(program, options);
	EXPECT_EQ(outcome.schedules, 5u);
	EXPECT_FALSE(outcome.exhaustive);
}

TEST(SearchTest, EndlessScheduleIsReported)
{
	Program program({ [](std::ostream &) {
		while (Now().Load(&memory[0]) == 0) {
		}
	} });
	EXPECT_NE(RunAll(program).violation.find("does not end"),
		  std::string::npos);
}

// One step of a generated program.
void GeneratedStep(unsigned choice, Word *word, Word value, std::ostream &out)
{
	switch (choice) {
	case 0:
	case 1:
		out << Now().Load(word);
		break;
	case 2:
	case 3:
		Now().Store(word, value);
		break;
	case 4:
		out << Now().Cas(word, value - 1, value);
		break;
	case 5:
		Now().HeavyFence(value % 2 == 0);
		break;
	case 6:
		out << "s" << Now().Sleep(word, 0, value % 2 == 0);
		break;
	case 7:
		Now().Wake(word);
		break;
	case 8:
		Now().Await({ { word, 0x6 },
			      { word == &memory[0] ? &memory[1] : &memory[0],
				1u << value } });
		out << "a" << Now().Load(word);
		break;
	default:
		value % 2 ? Now().Ring() : Now().AwaitRing();
		break;
	}
}

// A program that stops for ever has no outcome: its steps end there. So a
// schedule that is stuck must be found by both searches, or by none.
TEST(SearchTest, ReductionKeepsAllOutcomes)
{
	std::mt19937 random(20240607);
	const auto below = [&random](unsigned bound) {
		return static_cast<unsigned>(random() % bound);
	};
	int stuck = 0;
	int several = 0;
	uint64_t all = 0;
	uint64_t reduced = 0;
	for (int i = 0; i < 100; ++i) {
		std::vector<Program::Body> bodies;
		const unsigned fibers = 2 + below(2);
		for (unsigned fiber = 0; fiber < fibers; ++fiber) {
			std::vector<std::array<unsigned, 3>> steps;
			const unsigned count = fibers == 2 ? 4 : 2;
			for (unsigned step = 0; step < count; ++step) {
				steps.push_back(
					{ below(10), below(2), 1 + below(2) });
			}
			bodies.emplace_back([steps](std::ostream &out) {
				for (const auto &step : steps) {
					GeneratedStep(step[0], &memory[step[1]],
						      step[2], out);
				}
			});
		}
		Program with(bodies);
		Program without(bodies);
		Options options;
		const Outcome fast = RunAll(with, options);
		options.reduce = false;
		const Outcome slow = RunAll(without, options);
		EXPECT_EQ(fast.violation.empty(), slow.violation.empty())
			<< "program " << i << ": " << fast.violation << "; "
			<< slow.trace;
		if (slow.violation.empty()) {
			EXPECT_EQ(with.outcomes, without.outcomes)
				<< "program " << i;
			EXPECT_LE(fast.schedules, slow.schedules)
				<< "program " << i;
			several += without.outcomes.size() > 1;
			all += slow.schedules;
			reduced += fast.schedules;
		} else {
			++stuck;
		}
	}
	// The programs are worth comparing, and the reduction reduces.
	EXPECT_GT(stuck, 10);
	EXPECT_GT(several, 20);
	EXPECT_LT(reduced * 4, all);
}

} // namespace
} // namespace lauberhorn::testing
